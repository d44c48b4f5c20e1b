// grpc-go's server: "generated", with what its code generators make of the files, or "dynamic", with
// dynamicpb on files that protocompile has read.
package main

import (
	"net"
	"os"
	"strconv"
	"sync"

	"google.golang.org/grpc"
)

// The thousand users that are looked up. Those that are added have a map of their own: Go has no
// ordered one.
type users[User any] struct {
	lock  sync.Mutex
	known map[string]User
	added map[string]User
}

func newUsers[User any](user func(id string) User) *users[User] {
	known := make(map[string]User)
	for number := range 1000 {
		id := strconv.Itoa(number)
		known[id] = user(id)
	}
	return &users[User]{known: known, added: make(map[string]User)}
}

func (users *users[User]) get(id string) (User, bool) {
	users.lock.Lock()
	defer users.lock.Unlock()
	user, found := users.known[id]
	if !found {
		user, found = users.added[id]
	}
	return user, found
}

func (users *users[User]) add(user func(id string) User) string {
	users.lock.Lock()
	defer users.lock.Unlock()
	id := strconv.Itoa(1000 + len(users.added))
	users.added[id] = user(id)
	return id
}

func main() {
	if len(os.Args) < 3 {
		panic("arguments: generated|dynamic ADDRESS [ROOT...]")
	}
	listener, err := net.Listen("tcp", os.Args[2])
	check(err)
	server := grpc.NewServer()
	if os.Args[1] == "generated" {
		registerGenerated(server)
	} else {
		registerDynamic(server, os.Args[3:])
	}
	check(server.Serve(listener))
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
