// Generates what grpc-go's servers need below gen/, without protoc: the plugins are asked directly.
package main

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/bufbuild/protocompile"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/pluginpb"
)

var files = []string{"user.proto", "peers.proto"}

func main() {
	compiler := protocompile.Compiler{Resolver: &protocompile.SourceResolver{ImportPaths: os.Args[1:]}}
	compiled, err := compiler.Compile(context.Background(), files...)
	check(err)
	var descriptors []*descriptorpb.FileDescriptorProto
	for _, file := range compiled {
		descriptor := protodesc.ToFileDescriptorProto(file)
		descriptor.Options = &descriptorpb.FileOptions{
			GoPackage: proto.String("peers/gen/" + string(file.Package())),
		}
		descriptors = append(descriptors, descriptor)
	}
	request, err := proto.Marshal(&pluginpb.CodeGeneratorRequest{
		FileToGenerate: files,
		Parameter:      proto.String("module=peers"),
		ProtoFile:      descriptors,
	})
	check(err)
	for _, plugin := range []string{
		"google.golang.org/protobuf/cmd/protoc-gen-go@v1.36.12",
		"google.golang.org/grpc/cmd/protoc-gen-go-grpc@v1.6.2",
	} {
		command := exec.Command("go", "run", plugin)
		command.Stdin, command.Stderr = bytes.NewReader(request), os.Stderr
		output, err := command.Output()
		check(err)
		response := &pluginpb.CodeGeneratorResponse{}
		check(proto.Unmarshal(output, response))
		for _, file := range response.File {
			check(os.MkdirAll(filepath.Dir(file.GetName()), 0o755))
			check(os.WriteFile(file.GetName(), []byte(file.GetContent()), 0o644))
		}
	}
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
