// The cases of tests/grpc_js.rs. For each prints `ok NAME`, or `FAILED NAME: WHY`.
'use strict';

const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const { once } = require('node:events');
const { setTimeout: sleep } = require('node:timers/promises');
const grpc = require('@grpc/grpc-js');
const protoLoader = require('@grpc/proto-loader');

const MIB = 1 << 20;
const { PLAIN, TLS, MUTUAL_TLS, CERTIFICATES } = process.env;

const definitions = protoLoader.loadSync(
  [
    'echo.proto',
    'grpc/health/v1/health.proto',
    'grpc/reflection/v1/reflection.proto',
  ],
  { includeDirs: ['tests/clients', 'proto'], keepCase: true, defaults: true, longs: Number },
);
const loaded = grpc.loadPackageDefinition(definitions);

function client(address = PLAIN, credentials = grpc.credentials.createInsecure(), options = {}) {
  return new loaded.echo.Echo(address, credentials, options);
}

/** Makes a unary call; gives its reply and both kinds of metadata. */
function unary(method, request, metadata = new grpc.Metadata(), options = {}) {
  return new Promise((resolve, reject) => {
    const answer = {};
    const call = method(request, metadata, options, (error, reply) => {
      answer.reply = reply;
      if (error) {
        error.initial = answer.initial;
        reject(error);
      }
    });
    call.on('metadata', (initial) => (answer.initial = initial));
    call.on('status', (status) => {
      answer.trailing = status.metadata;
      if (status.code === grpc.status.OK) resolve(answer);
    });
  });
}

const call = (name, request, metadata, options, of = echo) =>
  unary(of[name].bind(of), request, metadata, options);

async function text(request, metadata, options, of) {
  return (await call('Unary', request, metadata, options, of)).reply.text;
}

/** The replies of a call that ends well. */
async function all(stream) {
  const replies = [];
  for await (const reply of stream) replies.push(reply);
  return replies;
}

/** A client-streaming call with these requests. */
function together(requests, metadata = new grpc.Metadata(), options = {}, of = echo) {
  const send = (_, metadata, options, callback) => {
    const stream = of.Together(metadata, options, callback);
    for (const request of requests) stream.write(request);
    stream.end();
    return stream;
  };
  return unary(send, null, metadata, options);
}

/** The error of a call that must fail. */
async function failure(promise) {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new Error('it did not fail');
}

async function fails(promise, code) {
  const error = await failure(promise);
  assert.equal(error.code, code, error.message);
  return error;
}

async function soon(what, check) {
  for (let tries = 0; tries < 500; tries++) {
    if (await check()) return;
    await sleep(10);
  }
  throw new Error(`${what} did not come to pass`);
}

const range = (count) => Array.from({ length: count }, (_, number) => number);

const cases = {
  async reflection() {
    const Reflection = loaded.grpc.reflection.v1.ServerReflection;
    const stub = new Reflection(PLAIN, grpc.credentials.createInsecure());
    const stream = stub.ServerReflectionInfo();
    stream.write({ list_services: '*' });
    stream.write({ file_containing_symbol: 'echo.Echo' });
    stream.end();
    const [services, files] = await all(stream);
    const names = services.list_services_response.service.map((service) => service.name);
    assert.deepEqual(names.filter((name) => !name.startsWith('grpc.')), ['echo.Echo']);
    const descriptors = files.file_descriptor_response.file_descriptor_proto;
    assert.ok(descriptors.some((file) => file.includes('echo.proto')));
    stub.close();
  },

  async unary() {
    const { reply } = await call('Unary', { text: 'hello ☺', payload_bytes: 3 });
    assert.equal(reply.text, 'hello ☺');
    assert.deepEqual(reply.payload, Buffer.alloc(3));
    assert.equal(reply.milliseconds_left, -1);
    // All defaults: a message of no bytes.
    assert.equal(await text({}), '');
  },

  async serverStreaming() {
    const replies = await all(echo.Many({ text: 'n', times: 1000 }));
    assert.deepEqual(replies.map((reply) => reply.text), range(1000).map((n) => `n ${n}`));
    assert.deepEqual(await all(echo.Many({})), []);
  },

  async clientStreaming() {
    const { reply } = await together(['a', 'b', 'c'].map((text) => ({ text })));
    assert.equal(reply.text, 'a,b,c');
    const many = range(5000).map(String);
    const joined = await together(many.map((text) => ({ text })));
    assert.equal(joined.reply.text, many.join());
    const error = await fails(together([]), grpc.status.INVALID_ARGUMENT);
    assert.equal(error.details, 'no requests');
  },

  async bidiStreaming() {
    // In turns: each request waits for the reply to the one before.
    const turns = echo.Each();
    for (const number of range(100)) {
      turns.write({ text: String(number) });
      const [reply] = await once(turns, 'data');
      assert.equal(reply.text, String(number));
    }
    turns.end();
    assert.deepEqual(await all(turns), []);
    // And as fast as both can.
    const fast = echo.Each();
    const replies = all(fast);
    for (const number of range(5000)) {
      if (!fast.write({ text: String(number), payload_bytes: 1000 })) await once(fast, 'drain');
    }
    fast.end();
    assert.equal((await replies).length, 5000);
  },

  async unknownMethods() {
    const bytes = (value) => value;
    for (const method of ['/echo.Echo/Nobody', '/echo.Nobody/Unary', '/nothing']) {
      const send = (request, metadata, options, callback) =>
        echo.makeUnaryRequest(method, bytes, bytes, request, metadata, options, callback);
      await fails(unary(send, Buffer.alloc(0)), grpc.status.UNIMPLEMENTED);
    }
    await fails(call('Nothing', {}), grpc.status.UNIMPLEMENTED);
  },

  async statuses() {
    for (const code of range(17)) {
      for (const message of ['', 'plain', '100% \r\n\t☺ 😈', ' spaces ']) {
        // A failure is none if it says OK.
        const error = await fails(call('Unary', { fail: { code, message } }), code || 13);
        if (code) assert.equal(error.details, message);
      }
    }
    // After replies.
    const stream = echo.Many({ times: 2, fail: { code: 9, message: 'after two' } });
    const texts = [];
    stream.on('data', (reply) => texts.push(reply.text));
    const [error] = await once(stream, 'error');
    assert.deepEqual(texts, [' 0', ' 1']);
    assert.equal(error.code, 9);
    assert.equal(error.details, 'after two');
  },

  async longStatusMessages() {
    for (const unit of ['x', '%', '☺', 'a😈']) {
      for (const bytes of [0, 3000, 100_000]) {
        const message = unit.repeat(100_000 / unit.length);
        const details = bytes ? [{ type_url: 'a/b.C', value: Buffer.alloc(bytes) }] : [];
        const error = await fails(call('Unary', { fail: { code: 9, message, details } }), 9);
        assert.ok(message.startsWith(error.details));
        assert.ok(error.details.length > 250);
      }
    }
  },

  async errorDetails() {
    const value = Buffer.from('\n\x03why', 'latin1');
    const details = [{ type_url: 'type.googleapis.com/echo.Request', value }];
    const error = await fails(call('Unary', { fail: { code: 5, message: 'no ☺', details } }), 5);
    const [bytes] = error.metadata.get('grpc-status-details-bin');
    // google.rpc.Status: code 5, the same message, one Any.
    const expected = Buffer.concat([
      Buffer.from('\x08\x05\x12\x06no ', 'latin1'),
      Buffer.from('☺'),
      Buffer.from('\x1a\x29\x0a\x20type.googleapis.com/echo.Request\x12\x05', 'latin1'),
      value,
    ]);
    assert.deepEqual(bytes, expected);
  },

  async metadata() {
    const sent = new grpc.Metadata();
    for (const value of ['one', 'two', 'a, b']) sent.add('x-echo', value);
    const binary = [Buffer.from([0, 255]), Buffer.from('three')];
    for (const value of binary) sent.add('x-echo-bin', value);
    const check = ({ initial, trailing }) => {
      for (const [kind, metadata] of Object.entries({ initial, trailing })) {
        // Node joins what has one name.
        const texts = metadata.get(`x-echo-${kind}`).join(', ');
        assert.equal(texts, 'one, two, a, b', kind);
        assert.deepEqual(metadata.get(`x-echo-${kind}-bin`), binary, kind);
      }
    };
    check(await call('Unary', {}, sent));
    check(await together([{}], sent));
    for (const stream of [echo.Many({ times: 2 }, sent), echo.Each(sent)]) {
      const seen = {};
      stream.on('metadata', (initial) => (seen.initial = initial));
      stream.on('status', (status) => (seen.trailing = status.metadata));
      if (stream.end) stream.end({});
      await all(stream);
      await soon('the status', () => seen.trailing);
      check(seen);
    }
    // Also where nothing else comes before the status.
    const error = await fails(call('Unary', { fail: { code: 3 } }, sent), 3);
    check({ initial: error.initial, trailing: error.metadata });
  },

  async deadlines() {
    const within = (milliseconds) => ({ deadline: Date.now() + milliseconds });
    const { reply } = await call('Unary', {}, undefined, within(20_000));
    assert.ok(reply.milliseconds_left > 0 && reply.milliseconds_left <= 20_000);
    const wait = { wait: true, times: 1 };
    const each = () => {
      const stream = echo.Each(within(100));
      stream.write(wait);
      return all(stream);
    };
    for (const late of [
      () => call('Unary', wait, undefined, within(100)),
      () => all(echo.Many(wait, within(100))),
      () => together([wait], undefined, within(100)),
      each,
    ]) {
      await fails(late(), grpc.status.DEADLINE_EXCEEDED);
    }
  },

  async cancellation() {
    const dropped = async () => (await call('Tell', {})).reply.dropped;
    // The deadlines of the case before have dropped three handlers that count it.
    await soon('the drop of late handlers', async () => (await dropped()) === 3);
    const wait = { wait: true, times: 1 };
    let waiting;
    const send = (...all) => (waiting = echo.Unary(...all));
    const unaryEnd = failure(unary(send, wait));
    const many = echo.Many(wait);
    await once(many, 'data');
    const each = echo.Each();
    each.write({});
    await once(each, 'data');
    // Node ends the requests before it resets the stream, so the handler must wait for something else.
    each.write(wait);
    // What was answered after it came after it, on the one connection.
    await dropped();
    const ends = [many, each].map((stream) => once(stream, 'error').then(([error]) => error));
    for (const stream of [waiting, many, each]) stream.cancel();
    for (const end of [unaryEnd, ...ends]) {
      assert.equal((await end).code, grpc.status.CANCELLED);
    }
    await soon('the drop of the handlers', async () => (await dropped()) === 6);
  },

  async compression() {
    const long = 'long '.repeat(100_000);
    for (const algorithm of [
      grpc.compressionAlgorithms.gzip,
      grpc.compressionAlgorithms.deflate,
    ]) {
      const options = { 'grpc.default_compression_algorithm': algorithm };
      const compressing = client(PLAIN, undefined, options);
      const { reply } = await call('Unary', { text: long }, undefined, {}, compressing);
      assert.equal(reply.text, long);
      assert.equal(reply.compressed, true);
      const stream = compressing.Each();
      for (const _ of range(3)) stream.write({ text: long });
      stream.end();
      const flags = (await all(stream)).map((reply) => reply.compressed);
      assert.deepEqual(flags, [true, true, true]);
      compressing.close();
    }
    assert.equal((await call('Unary', { text: long })).reply.compressed, false);
    // The other way.
    const { reply } = await call('Unary', { payload_bytes: MIB, compress: true });
    assert.deepEqual(reply.payload, Buffer.alloc(MIB));
    const sent = async () => (await call('Tell', {})).reply.bytes_sent;
    assert.ok((await sent()) < MIB / 100);
    const many = await all(echo.Many({ payload_bytes: MIB, compress: true, times: 5 }));
    for (const reply of many) assert.deepEqual(reply.payload, Buffer.alloc(MIB));
    assert.equal(many.length, 5);
    assert.ok((await sent()) < MIB / 20);
  },

  async largeMessages() {
    const unlimited = client(PLAIN, undefined, {
      'grpc.max_send_message_length': -1,
      'grpc.max_receive_message_length': -1,
    });
    // Five bytes are the field's key and length.
    await call('Unary', { payload: Buffer.alloc(4 * MIB - 5) }, undefined, {}, unlimited);
    const more = { payload: Buffer.alloc(4 * MIB - 4) };
    const exhausted = grpc.status.RESOURCE_EXHAUSTED;
    await fails(call('Unary', more, undefined, {}, unlimited), exhausted);
    await fails(together([more], undefined, {}, unlimited), exhausted);
    const each = unlimited.Each();
    each.write(more);
    await fails(all(each), exhausted);
    const reply = { payload_bytes: 4 * MIB };
    const error = await fails(call('Unary', reply, undefined, {}, unlimited), exhausted);
    assert.match(error.details, /4194304/);
    unlimited.close();
    // What the server sends at most is what the client takes by default.
    const fits = { payload_bytes: 4 * MIB - 100, times: 1 };
    assert.equal((await call('Unary', fits)).reply.payload.length, 4 * MIB - 100);
    const [first] = await all(echo.Many(fits));
    assert.equal(first.payload.length, 4 * MIB - 100);
    const whole = await all(echo.Many({ payload_bytes: MIB, times: 50 }));
    assert.equal(whole.length, 50);
  },

  async concurrentCalls() {
    // More than a connection may have streams; the client queues the rest.
    const calls = range(1000).map((n) => call('Unary', { text: String(n), payload_bytes: n }));
    for (const [number, { reply }] of (await Promise.all(calls)).entries()) {
      assert.equal(reply.text, String(number));
      assert.equal(reply.payload.length, number);
    }
    const streams = range(90).map((n) => all(echo.Many({ text: String(n), times: 50 })));
    for (const replies of await Promise.all(streams)) assert.equal(replies.length, 50);
  },

  async keepalive() {
    // Unanswered, the PING after a second of silence would end the call half a second later.
    const alive = client(PLAIN, undefined, {
      'grpc.keepalive_time_ms': 1000,
      'grpc.keepalive_timeout_ms': 500,
    });
    const stream = alive.Each();
    stream.write({ text: 'before' });
    assert.equal((await once(stream, 'data'))[0].text, 'before');
    await sleep(1800);
    stream.write({ text: 'after' });
    assert.equal((await once(stream, 'data'))[0].text, 'after');
    stream.end();
    assert.deepEqual(await all(stream), []);
    alive.close();
  },

  async tls() {
    const secure = client(TLS, grpc.credentials.createSsl(file('ca.pem')));
    assert.equal(await text({ text: 'hello' }, undefined, {}, secure), 'hello');
    const large = await call('Unary', { payload_bytes: 3 * MIB }, undefined, {}, secure);
    assert.equal(large.reply.payload.length, 3 * MIB);
    assert.equal((await all(secure.Many({ times: 100 }))).length, 100);
    secure.close();
    // Nobody vouches for it.
    const stranger = client(TLS, grpc.credentials.createSsl());
    await fails(call('Unary', {}, undefined, {}, stranger), grpc.status.UNAVAILABLE);
    stranger.close();
  },

  async mutualTls() {
    const [ca, key, certificate] = ['ca.pem', 'client.key', 'client.pem'].map(file);
    const known = client(MUTUAL_TLS, grpc.credentials.createSsl(ca, key, certificate));
    // Node sends the authority's after its own.
    assert.equal((await call('Unary', {}, undefined, {}, known)).reply.certificates, 2);
    known.close();
    const stranger = client(MUTUAL_TLS, grpc.credentials.createSsl(ca));
    await fails(call('Unary', {}, undefined, {}, stranger), grpc.status.UNAVAILABLE);
    stranger.close();
  },

  async health() {
    const stub = new loaded.grpc.health.v1.Health(PLAIN, grpc.credentials.createInsecure());
    const check = (service) => unary(stub.Check.bind(stub), { service });
    for (const service of ['', 'echo.Echo']) {
      assert.equal((await check(service)).reply.status, 1);
    }
    await fails(check('nobody'), grpc.status.NOT_FOUND);
    const watch = stub.Watch({ service: 'echo.Echo' });
    assert.equal((await once(watch, 'data'))[0].status, 1);
    const end = once(watch, 'error');
    watch.cancel();
    assert.equal((await end)[0].code, grpc.status.CANCELLED);
    stub.close();
  },
};

const file = (name) => fs.readFileSync(path.join(CERTIFICATES, name));
const echo = client();

async function main() {
  for (const [name, run] of Object.entries(cases)) {
    const started = Date.now();
    try {
      await run();
      console.log(`ok ${name}`);
    } catch (error) {
      // Whatever it is, the other cases have their turn.
      process.exitCode = 1;
      console.log(`FAILED ${name}: ${error}`);
      console.error(error);
    }
    console.error(`${name} took ${Date.now() - started} ms`);
  }
  echo.close();
}

main();
