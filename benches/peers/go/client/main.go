// grpc-go's client, with what protoc-gen-go-grpc would make of getUser: Invoke on the connection.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

var calls, failed atomic.Uint64

func cpu() float64 {
	var usage syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &usage)
	of := func(t syscall.Timeval) float64 { return float64(t.Sec) + float64(t.Usec)/1e6 }
	return of(usage.Utime) + of(usage.Stime)
}

// A string in field 1 is what UserId is on the wire, and StringValue is generated code for it. The
// reply is read as one, too: its field 1 is the id; name and description are unknown fields to it.
func call(connection *grpc.ClientConn) {
	request, reply := wrapperspb.String("7"), &wrapperspb.StringValue{}
	err := connection.Invoke(context.Background(), "/user.UserInfo/getUser", request, reply)
	if err != nil || reply.GetValue() != "7" {
		failed.Add(1)
	} else {
		calls.Add(1)
	}
}

func main() {
	if len(os.Args) != 5 {
		fmt.Fprintln(os.Stderr, "arguments: HOST:PORT CONNECTIONS IN_FLIGHT SECONDS")
		os.Exit(2)
	}
	connections, _ := strconv.Atoi(os.Args[2])
	inFlight, _ := strconv.Atoi(os.Args[3])
	seconds, _ := strconv.ParseFloat(os.Args[4], 64)
	for range connections {
		connection, err := grpc.NewClient(os.Args[1], grpc.WithTransportCredentials(insecure.NewCredentials()))
		if err != nil {
			panic(err)
		}
		for range inFlight {
			go func() {
				for {
					call(connection)
				}
			}()
		}
	}
	time.Sleep(500 * time.Millisecond)
	before, used, started := calls.Load(), cpu(), time.Now()
	time.Sleep(time.Duration(seconds * float64(time.Second)))
	made, took := calls.Load()-before, time.Since(started).Seconds()
	line, _ := json.Marshal(map[string]any{
		"calls_per_second": float64(int(float64(made) / took)),
		"cpu_us_per_call":  float64(int((cpu()-used)*1e8/float64(max(made, 1)))) / 100,
		"errors":           failed.Load(),
	})
	fmt.Println(string(line))
}
