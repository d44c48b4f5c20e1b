// grpc-js's server, on files that proto-loader has read.
const grpc = require("@grpc/grpc-js");
const { loadSync } = require("@grpc/proto-loader");

const [address, ...includeDirs] = process.argv.slice(2);
const files = grpc.loadPackageDefinition(
  loadSync(["user.proto", "peers.proto"], { includeDirs, keepCase: true, longs: String }),
);

const users = new Map();
for (let id = 0; id < 1000; id++) {
  users.set(`${id}`, { id: `${id}`, name: "jack", description: "strong" });
}

const server = new grpc.Server();
server.addService(files.user.UserInfo.service, {
  addUser({ request }, answer) {
    const id = `${users.size}`;
    users.set(id, { ...request, id });
    answer(null, { Value: id });
  },
  getUser({ request }, answer) {
    const user = users.get(request.Value);
    if (user) answer(null, user);
    else answer({ code: grpc.status.NOT_FOUND, details: "no such user" });
  },
});
server.addService(files.peers.Echo.service, {
  Echo({ request }, answer) {
    answer(null, { ...request, sequence: `${BigInt(request.sequence) + 1n}` });
  },
});
server.bindAsync(address, grpc.ServerCredentials.createInsecure(), (error) => {
  if (error) throw error;
});
