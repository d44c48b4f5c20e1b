package main

import (
	"context"

	"github.com/bufbuild/protocompile"
	"github.com/bufbuild/protocompile/linker"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"
)

type answer func(request *dynamicpb.Message) (*dynamicpb.Message, error)

func registerDynamic(server *grpc.Server, roots []string) {
	compiler := protocompile.Compiler{Resolver: &protocompile.SourceResolver{ImportPaths: roots}}
	files, err := compiler.Compile(context.Background(), "user.proto", "peers.proto")
	check(err)
	userInfo := find(files, "user.UserInfo").(protoreflect.ServiceDescriptor)
	user := find(files, "user.User").(protoreflect.MessageDescriptor)
	userID := find(files, "user.UserId").(protoreflect.MessageDescriptor)
	echo := find(files, "peers.Echo").(protoreflect.ServiceDescriptor)

	id, value := user.Fields().ByName("id"), userID.Fields().ByName("Value")
	table := newUsers(func(key string) *dynamicpb.Message {
		made := dynamicpb.NewMessage(user)
		made.Set(id, protoreflect.ValueOfString(key))
		made.Set(user.Fields().ByName("name"), protoreflect.ValueOfString("jack"))
		made.Set(user.Fields().ByName("description"), protoreflect.ValueOfString("strong"))
		return made
	})
	add := func(request *dynamicpb.Message) (*dynamicpb.Message, error) {
		key := table.add(func(key string) *dynamicpb.Message {
			request.Set(id, protoreflect.ValueOfString(key))
			return request
		})
		reply := dynamicpb.NewMessage(userID)
		reply.Set(value, protoreflect.ValueOfString(key))
		return reply, nil
	}
	get := func(request *dynamicpb.Message) (*dynamicpb.Message, error) {
		found, ok := table.get(request.Get(value).String())
		if !ok {
			return nil, status.Error(codes.NotFound, "no such user")
		}
		return found, nil
	}
	register(server, userInfo, map[string]answer{"addUser": add, "getUser": get})
	register(server, echo, map[string]answer{"Echo": func(batch *dynamicpb.Message) (*dynamicpb.Message, error) {
		sequence := batch.Descriptor().Fields().ByName("sequence")
		batch.Set(sequence, protoreflect.ValueOfUint64(batch.Get(sequence).Uint()+1))
		return batch, nil
	}})
}

func register(server *grpc.Server, service protoreflect.ServiceDescriptor, answers map[string]answer) {
	description := grpc.ServiceDesc{ServiceName: string(service.FullName()), HandlerType: (*any)(nil)}
	for name, answer := range answers {
		input := service.Methods().ByName(protoreflect.Name(name)).Input()
		description.Methods = append(description.Methods, grpc.MethodDesc{
			MethodName: name,
			Handler: func(_ any, _ context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
				request := dynamicpb.NewMessage(input)
				if err := decode(request); err != nil {
					return nil, err
				}
				return answer(request)
			},
		})
	}
	server.RegisterService(&description, struct{}{})
}

func find(files linker.Files, name protoreflect.FullName) protoreflect.Descriptor {
	for _, file := range files {
		if found := file.FindDescriptorByName(name); found != nil {
			return found
		}
	}
	panic(name)
}
