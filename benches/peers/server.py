"""Servers beside each other: what `run server` does when everything is built.

One server at a time on core 0, started anew for each measurement, its replies looked at by a real
client first; the load comes from core 1. Rounds are interleaved (A B C A B C), medians are told. CPU
is that of the server's process, user and system, over the load; calls are those that the load has
counted. What a server costs a call stays true where the load is the limit, so ratios are of calls a
CPU second.
"""

import argparse
import collections
import contextlib
import json
import os
import re
import resource
import socket
import statistics
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOTS = [os.path.join(HERE, "../../proto"), os.path.join(HERE, "proto")]
PATHS = {
    "get": "/user.UserInfo/getUser",
    "add": "/user.UserInfo/addUser",
    "echo": "/peers.Echo/Echo",
    "chunks": "/peers.Streams/Chunks",
}
CHUNKS = 10_000
SERVER_CORE, LOAD_CORE = {0}, {1}


class Server:
    """How a peer is started, and what it can be asked."""

    def __init__(self, command, answers, fill=False, tls=False):
        self.command, self.answers, self.fill, self.tls = command, answers, fill, tls


def servers(places):
    rust, go, js, reflectd = places["rust"], places["go"], places["js"], places["reflectd"]
    address = "{address}"
    serve = [reflectd, "serve", ROOTS[0] + "/user.proto", "--listen", address, "--store", "memory"]
    serve += ["--log-format", "json"]
    known = {
        "reflectd": Server([rust + "server_reflectd", address], "get add echo chunks", tls=True),
        "reflectd serve": Server([*serve, "--workers", "1"], "get add", fill=True),
        "tonic": Server([rust + "server_tonic", address], "get add echo chunks", tls=True),
        # It stalls on bodies of 10 KB: some hundred calls a second, whatever the CPU.
        "pajamax": Server([rust + "server_pajamax", address], "get add"),
        "h2, canned answer": Server([rust + "server_h2", address], "get"),
        "a loop, canned answer": Server([rust + "responder", address], "get"),
    }
    if go:
        known["grpc-go"] = Server([go, "generated", address], "get add echo")
        known["grpc-go, dynamicpb"] = Server([go, "dynamic", address, *ROOTS], "get add echo")
    if js:
        known["grpc-js, proto-loader"] = Server(["node", js, address, *ROOTS], "get add echo")
    return known


class Bench:
    def __init__(self, arguments, places):
        self.seconds, self.rounds = arguments.seconds, arguments.rounds
        self.methods = arguments.methods.split(",") if arguments.methods else list(PATHS)
        self.places = places
        self.known = servers(places)
        wanted = arguments.servers.split(",") if arguments.servers else list(self.known)
        self.names = [name for name in self.known if name in wanted]
        self.samples = collections.defaultdict(list)

    def tool(self, *words, **more):
        command = [self.places["rust"] + "load", *words]
        return subprocess.run(command, check=True, preexec_fn=pinned(LOAD_CORE), **more)

    def request(self, method):
        file = os.path.join(self.places["scratch"], method + ".request")
        if not os.path.exists(file):
            self.tool("request", method, file)
        return file

    def certificate(self):
        files = [os.path.join(self.places["scratch"], name) for name in ("cert.pem", "key.pem")]
        if not os.path.exists(files[0]):
            command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt"]
            command += ["ec_paramgen_curve:prime256v1", "-nodes", "-days", "30", "-subj"]
            command += ["/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-addext"]
            command += ["basicConstraints=critical,CA:FALSE", "-out", files[0], "-keyout", files[1]]
            subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
        return files

    @contextlib.contextmanager
    def running(self, command, cores=SERVER_CORE, **more):
        """A server that can be connected to: its process and its address."""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            address = "127.0.0.1:%d" % free.getsockname()[1]
        command = [word.replace("{address}", address) for word in command]
        more = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL} | more
        environment = os.environ | {"GOMAXPROCS": "1"}
        server = subprocess.Popen(command, preexec_fn=pinned(cores), env=environment, **more)
        try:
            wait_for(server, address)
            yield server, address
        finally:
            server.kill()
            server.wait()

    @contextlib.contextmanager
    def server(self, name, method, tls=False, **more):
        known = self.known[name]
        command = known.command + (self.certificate() if tls else [])
        with self.running(command, **more) as (server, address):
            if known.fill:
                self.tool("fill", address, "1000")
            trusted = self.certificate()[:1] if tls else []
            host = address.replace("127.0.0.1", "localhost") if tls else address
            self.tool("verify", method, host, *trusted)
            yield server, host

    def load(self, method, address, shape, seconds, tls=False, cores=LOAD_CORE):
        """What h2load counts: calls, and seconds."""
        connections, streams = shape
        scheme = "https" if tls else "http"
        command = ["h2load", "-t%d" % len(cores), "-c%d" % connections, "-m%d" % streams]
        command += ["-D%dms" % (seconds * 1000), "-d", self.request(method)]
        command += ["-H", "content-type: application/grpc", "-H", "te: trailers"]
        command += ["-w", "20", "-W", "24", "%s://%s%s" % (scheme, address, PATHS[method])]
        run = subprocess.run(command, check=True, capture_output=True, text=True,
                             preexec_fn=pinned(cores))
        found = re.search(r"(\d+) done, (\d+) succeeded, (\d+) failed, (\d+) errored", run.stdout)
        done, _, failed, errored = map(int, found.groups())
        took = float(re.search(r"finished in ([\d.]+)(s|ms)", run.stdout).group(1))
        took = took / 1000 if "ms," in run.stdout.split("finished in ")[1][:12] else took
        data = int(re.search(r"\((\d+)\) data", run.stdout).group(1))
        # h2load takes a grpc-status for an answer; an answer has a body.
        if failed or errored or not done or data / done < 6:
            raise SystemExit("%s at %s went wrong:\n%s" % (method, address, run.stdout))
        return done, took

    def measure(self, name, method, shape, tls=False):
        with self.server(name, method, tls) as (server, address):
            self.load(method, address, shape, 0.4, tls)
            before = cpu_seconds(server.pid)
            done, took = self.load(method, address, shape, self.seconds, tls)
            used = cpu_seconds(server.pid) - before
        each = CHUNKS if method == "chunks" else 1
        sample = {"calls_per_second": done * each / took, "cpu_us": used * 1e6 / (done * each)}
        self.keep(name, method, shape, tls, sample)

    def keep(self, name, method, shape, tls, sample):
        what = method + (" over TLS" if tls else "")
        key = ("%s, %d x %d" % (what, *shape) if shape else what, name)
        self.samples[key].append(sample)
        told = ", ".join("%s %.4g" % item for item in sample.items())
        print("%s: %s: %s" % (*key, told), file=sys.stderr, flush=True)

    def calls(self):
        shapes = [(method, shape) for method in ("get", "add")
                  for shape in ((10, 100), (1, 100), (50, 1))]
        shapes += [("echo", (10, 10)), ("chunks", (10, 1))]
        shapes = [(method, shape) for method, shape in shapes if method in self.methods]
        for _ in range(self.rounds):
            for method, shape in shapes:
                for name in self.names:
                    if method in self.known[name].answers.split():
                        self.measure(name, method, shape)
            for name in self.names:
                if self.known[name].tls and "get" in self.methods:
                    self.measure(name, "get", (10, 100), tls=True)

    def workers(self):
        """The same load, from both cores, on one worker and on two."""
        both = SERVER_CORE | LOAD_CORE
        for _ in range(self.rounds):
            for count in (1, 2):
                name = "reflectd serve"
                command = [*self.known[name].command[:-1], str(count)]
                with self.running(command, cores=both) as (server, address):
                    self.tool("fill", address, "1000")
                    self.load("get", address, (20, 100), 0.4, cores=both)
                    before = cpu_seconds(server.pid)
                    done, took = self.load("get", address, (20, 100), self.seconds, cores=both)
                    used = cpu_seconds(server.pid) - before
                sample = {"calls_per_second": done / took, "cpu_us": used * 1e6 / done}
                self.keep("%d workers" % count, "workers", None, False, sample)

    def latency(self):
        """Open loop: the time of a call counts from when it is due. Tonic's rate is what the same
        generator reaches when a call is due as soon as another has ended."""
        if "tonic" not in self.names:
            return
        rates = [self.generate("tonic")["rps"] for _ in range(self.rounds)]
        rate = statistics.median(rates)
        for _ in range(self.rounds):
            for share in (0.5, 0.85):
                for name in ("reflectd", "tonic", "pajamax", "a loop, canned answer"):
                    if name in self.names:
                        report = self.generate(name, "--rps", "%d" % (rate * share))
                        times = report["latency_us"]
                        sample = {"calls_per_second": report["rps"]}
                        sample |= {"p50_us": times["p50"], "p99_us": times["p99"]}
                        what = "open loop at %d %% of tonic's rate" % (share * 100)
                        self.keep(name, what, None, False, sample)

    def generate(self, name, *rate):
        with self.server(name, "get") as (_, address):
            command = [self.places["reflectd"], "bench", address, "user.UserInfo/getUser"]
            command += ["Value=7", "--proto", ROOTS[0] + "/user.proto", "--connections", "10"]
            command += ["-c", "1000", "--cpus", "1", "--json", "--plaintext", *rate]
            command += ["-z", "%dms" % (self.seconds * 1000)]
            run = subprocess.run(command, check=True, capture_output=True, text=True,
                                 preexec_fn=pinned(LOAD_CORE))
        return json.loads(run.stdout)

    def memory(self):
        many = min(10_000, resource.getrlimit(resource.RLIMIT_NOFILE)[1] * 4 // 5 - 100)
        for name in ("reflectd", "reflectd serve", "tonic"):
            if name not in self.names:
                continue
            with self.server(name, "get") as (server, address):
                before = rss_kib(server.pid)
                with self.held(address, many, 0):
                    after = rss_kib(server.pid)
                sample = {"connections": many, "rss_mb": after / 1024,
                          "kib_each": (after - before) / many}
                self.keep(name, "idle connections", None, False, sample)
        self.heap()

    def heap(self):
        command = [self.places["rust"] + "heap_reflectd", "{address}"]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        with self.running(command, **pipes) as (server, address):
            def held_bytes():
                server.stdin.write("\n")
                server.stdin.flush()
                return int(server.stdout.readline())

            self.future_bytes = held_bytes()
            self.tool("verify", "get", address)
            self.heap_of(held_bytes, address, "an idle connection", 1000, 0)
            self.heap_of(held_bytes, address, "an open idle stream", 100, 90)

    def heap_of(self, held_bytes, address, what, connections, streams):
        # What threads keep for the next calls is there before.
        with self.held(address, 10, streams):
            pass
        with self.held(address, connections, 0):
            idle = held_bytes()
        time.sleep(1)
        before = held_bytes()
        with self.held(address, connections, streams):
            after = held_bytes()
        if streams:
            each = (after - idle) / (connections * streams)
            beside = each - self.future_bytes
            sample = {"bytes": each, "handlers_future": self.future_bytes, "beside_it": beside}
        else:
            sample = {"bytes": (after - before) / connections}
        self.keep("reflectd", "heap of " + what, None, False, sample)

    @contextlib.contextmanager
    def held(self, address, connections, streams):
        command = [self.places["rust"] + "load", "hold", address, str(connections), str(streams)]
        holder = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                  preexec_fn=pinned(LOAD_CORE))
        try:
            if holder.stdout.readline() != b"ready\n":
                raise SystemExit("the connections cannot be held")
            # A connection gives its memory back when it has had no calls for a second.
            time.sleep(3)
            yield
        finally:
            holder.stdin.close()
            holder.wait()

    def medians(self):
        rows = collections.defaultdict(dict)
        for (what, name), samples in self.samples.items():
            rows[what][name] = {key: statistics.median(sample[key] for sample in samples)
                                for key in samples[0]}
        for of in rows.values():
            for ours in ("reflectd", "reflectd serve"):
                for row in of.values():
                    if ours in of and "cpu_us" in row:
                        ratio = row["cpu_us"] / of[ours]["cpu_us"]
                        row["times_as_many_by_" + ours.replace(" ", "_")] = round(ratio, 2)
        return rows


def pinned(cores):
    def pin():
        os.sched_setaffinity(0, cores)
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return pin


def wait_for(server, address):
    host, port = address.split(":")
    for _ in range(1000):
        if server.poll() is not None:
            break
        with contextlib.suppress(OSError), socket.create_connection((host, int(port))):
            return
        time.sleep(0.01)
    raise SystemExit("%s does not answer" % server.args)


def cpu_seconds(pid):
    """User and system time, that of threads which have ended included (proc(5))."""
    with open("/proc/%d/stat" % pid) as stat:
        fields = stat.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def rss_kib(pid):
    with open("/proc/%d/status" % pid) as status:
        return int(re.search(r"VmRSS:\s+(\d+) kB", status.read()).group(1))


def tell(rows):
    """CPU us a call, and how many calls reflectd, then `reflectd serve`, answers with the CPU that one
    takes there."""
    calls = {key: of for key, of in rows.items() if " x " in key}
    methods = dict.fromkeys(key.rpartition(", ")[0] for key in calls)
    for group in (["get"], ["add"], [method for method in methods if method not in ("get", "add")]):
        shapes = [key for key in calls if key.rpartition(", ")[0] in group]
        if shapes:
            tell_calls(calls, shapes)
    others = {what: of for what, of in rows.items() if what not in calls}
    if others:
        print("\n| | server | median |\n|---|---|---|")
    for what, of in others.items():
        for name, row in of.items():
            told = ", ".join(figure(key, value) for key, value in row.items())
            print("| %s | %s | %s |" % (what, name, told))


# Methods as the tables call them.
TITLES = {"get": "getUser", "add": "addUser", "echo": "10 KB echo",
          "chunks": "stream of 100 bytes, a message"}


def tell_calls(rows, shapes):
    names = dict.fromkeys(name for shape in shapes for name in rows[shape])
    titles = [re.sub(r"^\w+", lambda method: TITLES[method[0]], shape) for shape in shapes]
    print("\n| server | %s |\n|---|%s" % (" | ".join(titles), "---:|" * len(shapes)))
    for name in names:
        print("| %s | %s |" % (name, " | ".join(cell(rows[shape].get(name)) for shape in shapes)))


def cell(row):
    if row is None:
        return ""
    ratios = [row[key] for key in row if key.startswith("times_as_many")]
    return "%.2f us: %s" % (row["cpu_us"], ", ".join("%.2fx" % ratio for ratio in ratios))


def figure(key, value):
    number = "%.0f" % value if value >= 100 else "%.2f" % value
    return "%s %s" % (key.replace("_", " "), number)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--json", action="store_true", help="one JSON document, not tables")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2)
    parser.add_argument("--servers", help="only these, with commas between them")
    parser.add_argument("--methods", help="calls only of these: get,add,echo,chunks")
    parser.add_argument("--parts", default="calls,workers,latency,memory")
    parser.add_argument("--places", type=json.loads, required=True, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    bench = Bench(arguments, arguments.places)
    for part in arguments.parts.split(","):
        getattr(bench, part)()
    rows = bench.medians()
    if arguments.json:
        print(json.dumps(rows))
    else:
        tell(rows)


if __name__ == "__main__":
    main()
