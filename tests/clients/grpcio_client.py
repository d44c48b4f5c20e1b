"""The cases of tests/grpcio.rs. For each prints `ok NAME`, or `FAILED NAME: WHY`.

The messages come from the server, by reflection: there is no generated code.
"""

import os
import sys
import threading
import time
import traceback

import grpc
from google.protobuf import descriptor_pool, message_factory
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)

MIB = 1 << 20
CASES = []


def case(function):
    CASES.append(function)
    return function


class Echo:
    """The service on a channel, with the names of its methods."""

    def __init__(self, channel):
        def method(kind, name, reply="Reply"):
            make = getattr(channel, kind)
            return make(
                f"/echo.Echo/{name}",
                request_serializer=Request.SerializeToString,
                response_deserializer=types[reply].FromString,
            )

        self.unary = method("unary_unary", "Unary")
        self.many = method("unary_stream", "Many")
        self.together = method("stream_unary", "Together")
        self.each = method("stream_stream", "Each")
        self.tell = method("unary_unary", "Tell", "Seen")
        self.nothing = method("unary_unary", "Nothing")


def failure(call):
    """The RpcError of a call that must fail."""
    try:
        result = call()
        if hasattr(result, "__next__"):
            for _ in result:
                pass
    except grpc.RpcError as error:
        return error
    raise AssertionError("it did not fail")


def expect(actual, expected):
    assert actual == expected, f"{actual!r} is not {expected!r}"


def soon(what, check):
    for _ in range(500):
        if check():
            return
        time.sleep(0.01)
    raise AssertionError(f"{what} did not come to pass")


@case
def reflection():
    services = {"echo.Echo", "grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection",
                "grpc.reflection.v1alpha.ServerReflection"}
    expect(set(database.get_services()), services)
    service = pool.FindServiceByName("echo.Echo")
    expect([method.name for method in service.methods],
           ["Unary", "Many", "Together", "Each", "Tell", "Nothing"])
    expect(service.methods_by_name["Each"].client_streaming, True)
    # By a name of what it imports, and of a file.
    expect(pool.FindMessageTypeByName("google.rpc.Status").file.name, "google/rpc/status.proto")
    expect(pool.FindFileByName("google/protobuf/any.proto").package, "google.protobuf")
    try:
        pool.FindMessageTypeByName("echo.Nobody")
    except KeyError:
        return
    raise AssertionError("echo.Nobody was found")


@case
def unary():
    reply = echo.unary(Request(text="hello ☺", payload_bytes=3))
    expect((reply.text, reply.payload, reply.milliseconds_left), ("hello ☺", b"\0\0\0", -1))
    # All defaults: a message of no bytes, both ways.
    expect(echo.unary(Request()).text, "")


@case
def server_streaming():
    replies = [reply.text for reply in echo.many(Request(text="n", times=1000))]
    expect(replies, [f"n {number}" for number in range(1000)])
    expect(list(echo.many(Request())), [])


@case
def client_streaming():
    expect(echo.together(Request(text=text) for text in "abc").text, "a,b,c")
    many = [f"{number}" for number in range(5000)]
    expect(echo.together(Request(text=text) for text in many).text, ",".join(many))
    error = failure(lambda: echo.together(iter(())))
    expect((error.code(), error.details()), (grpc.StatusCode.INVALID_ARGUMENT, "no requests"))


@case
def bidi_streaming():
    # In turns: each request waits for the reply to the one before.
    answered = threading.Semaphore(1)

    def requests():
        for number in range(100):
            answered.acquire()
            yield Request(text=str(number))

    texts = []
    for reply in echo.each(requests()):
        texts.append(reply.text)
        answered.release()
    expect(texts, [str(number) for number in range(100)])
    # And as fast as both can.
    requests = (Request(text=str(number), payload_bytes=1000) for number in range(5000))
    expect(sum(1 for _ in echo.each(requests)), 5000)


@case
def unknown_methods():
    for path in ["/echo.Echo/Nobody", "/echo.Nobody/Unary", "/nothing"]:
        error = failure(lambda: plain.unary_unary(path)(b""))
        expect(error.code(), grpc.StatusCode.UNIMPLEMENTED)
    error = failure(lambda: echo.nothing(Request()))
    expect(error.code(), grpc.StatusCode.UNIMPLEMENTED)


@case
def statuses():
    for code in grpc.StatusCode:
        number = code.value[0]
        for text in ["", "plain", "100% \r\n\t☺ 😈", " spaces "]:
            fail = Status(code=number, message=text)
            error = failure(lambda: echo.unary(Request(fail=fail)))
            # A failure is none if it says OK.
            expected = (code, text) if number else (grpc.StatusCode.INTERNAL, error.details())
            expect((error.code(), error.details()), expected)
    # After replies.
    replies = echo.many(Request(times=2, fail=Status(code=9, message="after two")))
    expect([next(replies).text, next(replies).text], [" 0", " 1"])
    error = failure(lambda: next(replies))
    expect((error.code(), error.details()), (grpc.StatusCode.FAILED_PRECONDITION, "after two"))


@case
def long_status_messages():
    # 100 kB; the client takes header lists of 8 KiB.
    for text in ["x", "%", "☺", "a😈"]:
        for details in [0, 3000, 100_000]:
            fail = Status(code=9, message=text * (100_000 // len(text)))
            if details:
                fail.details.add(type_url="a/b.C", value=b"d" * details)
            error = failure(lambda: echo.unary(Request(fail=fail)))
            expect(error.code(), grpc.StatusCode.FAILED_PRECONDITION)
            assert fail.message.startswith(error.details()), error.details()[:100]
            assert len(error.details()) > 250, len(error.details())


@case
def error_details():
    detail = Request(text="why").SerializeToString()
    fail = Status(code=5, message="no ☺")
    fail.details.add(type_url="type.googleapis.com/echo.Request", value=detail)
    fail.details.add(type_url="type.googleapis.com/echo.Reply")
    error = failure(lambda: echo.unary(Request(fail=fail)))
    expect((error.code(), error.details()), (grpc.StatusCode.NOT_FOUND, "no ☺"))
    trailing = dict(error.trailing_metadata())
    expect(Status.FromString(trailing["grpc-status-details-bin"]), fail)


@case
def metadata():
    sent = [("x-echo", "one"), ("x-echo-bin", b"\0\xff"), ("x-echo", "two"), ("x-echo-bin", b""),
            ("x-echo", "a, b"), ("x-echo-bin", b"three")]

    def check(call):
        for suffix, pairs in [("initial", call.initial_metadata()),
                              ("trailing", call.trailing_metadata())]:
            values = [value for key, value in pairs if key == f"x-echo-{suffix}"]
            expect(values, ["one", "two", "a, b"])
            values = [value for key, value in pairs if key == f"x-echo-{suffix}-bin"]
            expect(values, [b"\0\xff", b"", b"three"])

    _, call = echo.unary.with_call(Request(), metadata=sent)
    check(call)
    _, call = echo.together.with_call(iter([Request()]), metadata=sent)
    check(call)
    for call in [echo.many(Request(times=2), metadata=sent),
                 echo.each(iter([Request()]), metadata=sent)]:
        for _ in call:
            pass
        check(call)
    # Also where nothing else comes before the status.
    check(failure(lambda: echo.unary(Request(fail=Status(code=3)), metadata=sent)))


@case
def deadlines():
    left = echo.unary(Request(), timeout=20).milliseconds_left
    # It rounds up, to have few different values.
    assert 0 < left <= 21_000, left
    for call in [lambda: echo.unary(Request(wait=True), timeout=0.1),
                 lambda: echo.many(Request(wait=True, times=1), timeout=0.1),
                 lambda: echo.together(iter([Request(wait=True)]), timeout=0.1),
                 lambda: echo.each(iter([Request(wait=True)]), timeout=0.1)]:
        expect(failure(call).code(), grpc.StatusCode.DEADLINE_EXCEEDED)


@case
def cancellation():
    def dropped():
        return echo.tell(Request()).dropped

    # The deadlines of the case before have dropped three handlers that count it.
    soon("the drop of late handlers", lambda: dropped() == 3)
    waiting = echo.unary.future(Request(wait=True))
    replies = echo.many(Request(wait=True, times=1))
    next(replies)
    endless = echo.each(iter(lambda: Request(), None))
    next(endless)
    for call in [waiting, replies, endless]:
        call.cancel()
        if call is waiting:
            assert call.cancelled()
        else:
            expect(failure(lambda: call).code(), grpc.StatusCode.CANCELLED)
    soon("the drop of the handlers", lambda: dropped() == 6)


@case
def compression():
    gzip, deflate = grpc.Compression.Gzip, grpc.Compression.Deflate
    long = "long " * 100_000
    for kind in [gzip, deflate]:
        reply = echo.unary(Request(text=long), compression=kind)
        expect((reply.text, reply.compressed), (long, True))
        requests = (Request(text=long) for _ in range(3))
        expect([reply.compressed for reply in echo.each(requests, compression=kind)], [True] * 3)
        with grpc.insecure_channel(os.environ["PLAIN"], compression=kind) as channel:
            expect(Echo(channel).unary(Request(text=long)).compressed, True)
    expect(echo.unary(Request(text=long)).compressed, False)
    # The other way.
    request = Request(payload_bytes=MIB, compress=True)
    expect(echo.unary(request).payload, bytes(MIB))
    sent = echo.tell(Request()).bytes_sent
    assert sent < MIB // 100, f"{sent} bytes were sent"
    replies = list(echo.many(Request(payload_bytes=MIB, compress=True, times=5)))
    expect([reply.payload for reply in replies], [bytes(MIB)] * 5)
    assert echo.tell(Request()).bytes_sent < MIB // 20


@case
def large_messages():
    options = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
    with grpc.insecure_channel(os.environ["PLAIN"], options=options) as channel:
        unlimited = Echo(channel)
        whole = Request(payload=bytes(4 * MIB - 5))
        expect(whole.ByteSize(), 4 * MIB)
        unlimited.unary(whole)
        more = Request(payload=bytes(4 * MIB - 4))
        for call in [lambda: unlimited.unary(more), lambda: unlimited.together(iter([more])),
                     lambda: unlimited.each(iter([more]))]:
            expect(failure(call).code(), grpc.StatusCode.RESOURCE_EXHAUSTED)
        # Also where nearly nothing of it is on the wire.
        error = failure(lambda: unlimited.unary(more, compression=grpc.Compression.Gzip))
        expect(error.code(), grpc.StatusCode.RESOURCE_EXHAUSTED)
        error = failure(lambda: unlimited.unary(Request(payload_bytes=4 * MIB)))
        expect(error.code(), grpc.StatusCode.RESOURCE_EXHAUSTED)
        assert str(4 * MIB) in error.details(), error.details()
    # What the server sends at most is what the client takes by default.
    for kind in [lambda n: echo.unary(Request(payload_bytes=n)).payload,
                 lambda n: next(echo.many(Request(payload_bytes=n, times=1))).payload]:
        expect(len(kind(4 * MIB - 100)), 4 * MIB - 100)


@case
def concurrent_calls():
    # More than a connection may have streams; the client queues the rest.
    futures = [echo.unary.future(Request(text=str(n), payload_bytes=n)) for n in range(1000)]
    for number, future in enumerate(futures):
        reply = future.result(timeout=20)
        expect((reply.text, len(reply.payload)), (str(number), number))
    streams = [echo.many(Request(text=str(n), times=50)) for n in range(90)]
    for _ in range(50):
        for stream in streams:
            next(stream)
    for stream in streams:
        expect(list(stream), [])


@case
def pings_of_bandwidth_probes():
    # With default settings, the client sends a PING now and then while much data comes.
    replies = echo.many(Request(payload_bytes=MIB, times=100))
    expect(sum(len(reply.payload) for reply in replies), 100 * MIB)
    requests = (Request(payload=bytes(MIB)) for _ in range(100))
    expect(sum(1 for _ in echo.each(requests)), 100)


@case
def keepalive():
    # Unanswered, the PING after a second of silence would end the call half a second later.
    options = [("grpc.keepalive_time_ms", 1000), ("grpc.keepalive_timeout_ms", 500)]
    with grpc.insecure_channel(os.environ["PLAIN"], options=options) as channel:
        silence_over = threading.Event()

        def requests():
            yield Request(text="before")
            silence_over.wait()
            yield Request(text="after")

        replies = Echo(channel).each(requests())
        expect(next(replies).text, "before")
        time.sleep(1.8)
        silence_over.set()
        expect([reply.text for reply in replies], ["after"])


def file(name):
    with open(os.path.join(os.environ["CERTIFICATES"], name), "rb") as opened:
        return opened.read()


@case
def tls():
    ours = grpc.ssl_channel_credentials(file("ca.pem"))
    with grpc.secure_channel(os.environ["TLS"], ours) as channel:
        secure = Echo(channel)
        expect(secure.unary(Request(text="hello")).text, "hello")
        expect(len(secure.unary(Request(payload_bytes=3 * MIB)).payload), 3 * MIB)
        expect(sum(1 for _ in secure.each(Request() for _ in range(100))), 100)
    # Nobody vouches for it.
    with grpc.secure_channel(os.environ["TLS"], grpc.ssl_channel_credentials()) as channel:
        error = failure(lambda: Echo(channel).unary(Request(), timeout=5))
        expect(error.code(), grpc.StatusCode.UNAVAILABLE)


@case
def mutual_tls():
    with_one = grpc.ssl_channel_credentials(file("ca.pem"), file("client.key"), file("client.pem"))
    with grpc.secure_channel(os.environ["MUTUAL_TLS"], with_one) as channel:
        expect(Echo(channel).unary(Request()).certificates, 1)
    without = grpc.ssl_channel_credentials(file("ca.pem"))
    with grpc.secure_channel(os.environ["MUTUAL_TLS"], without) as channel:
        error = failure(lambda: Echo(channel).unary(Request(), timeout=5))
        expect(error.code(), grpc.StatusCode.UNAVAILABLE)


@case
def health():
    stub = health_pb2_grpc.HealthStub(plain)
    serving = health_pb2.HealthCheckResponse.SERVING
    for service in ["", "echo.Echo"]:
        expect(stub.Check(health_pb2.HealthCheckRequest(service=service)).status, serving)
    error = failure(lambda: stub.Check(health_pb2.HealthCheckRequest(service="nobody")))
    expect(error.code(), grpc.StatusCode.NOT_FOUND)
    watch = stub.Watch(health_pb2.HealthCheckRequest(service="echo.Echo"))
    expect(next(watch).status, serving)
    watch.cancel()


plain = grpc.insecure_channel(os.environ["PLAIN"])
database = ProtoReflectionDescriptorDatabase(plain)
pool = descriptor_pool.DescriptorPool(database)
types = {
    name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"echo.{name}"))
    for name in ["Request", "Reply", "Seen"]
}
Request = types["Request"]
Status = message_factory.GetMessageClass(pool.FindMessageTypeByName("google.rpc.Status"))
echo = Echo(plain)

failed = False
for function in CASES:
    started = time.monotonic()
    try:
        function()
        print(f"ok {function.__name__}", flush=True)
    except Exception as error:  # whatever it is, the other cases have their turn
        failed = True
        print(f"FAILED {function.__name__}: {error!r}", flush=True)
        traceback.print_exc()
    print(f"{function.__name__} took {time.monotonic() - started:.2f} s", file=sys.stderr)
plain.close()
sys.exit(failed)
