package main

import (
	"context"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"peers/gen/peers"
	"peers/gen/user"
)

type generated struct {
	user.UnimplementedUserInfoServer
	peers.UnimplementedEchoServer
	users *users[*user.User]
}

func registerGenerated(server *grpc.Server) {
	service := &generated{users: newUsers(func(id string) *user.User {
		return &user.User{Id: id, Name: "jack", Description: "strong"}
	})}
	user.RegisterUserInfoServer(server, service)
	peers.RegisterEchoServer(server, service)
}

func (service *generated) AddUser(_ context.Context, added *user.User) (*user.UserId, error) {
	id := service.users.add(func(id string) *user.User {
		added.Id = id
		return added
	})
	return &user.UserId{Value: id}, nil
}

func (service *generated) GetUser(_ context.Context, id *user.UserId) (*user.User, error) {
	found, ok := service.users.get(id.GetValue())
	if !ok {
		return nil, status.Error(codes.NotFound, "no such user")
	}
	return found, nil
}

func (service *generated) Echo(_ context.Context, batch *peers.Batch) (*peers.Batch, error) {
	batch.Sequence++
	return batch, nil
}
