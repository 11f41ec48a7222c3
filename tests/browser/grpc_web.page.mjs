// The script of the page in `grpc_web.test.mjs`: calls the service of `orders.proto`.

import grpcWeb from 'grpc-web';

/**
 * Calls a method. Returns the reply, or the name of the status and the challenge.
 *
 * Messages are objects from field numbers to texts.
 */
globalThis.call = async ({ origin, format, method, token, message }) => {
  const { GrpcWebClientBase, MethodDescriptor, MethodType, StatusCode } = grpcWeb;
  const path = `/orders.Orders/${method}`;
  const descriptor = new MethodDescriptor(path, MethodType.UNARY, Object, Object, encode, decode);
  const metadata = token ? { Authorization: `Bearer ${token}` } : {};
  const client = new GrpcWebClientBase({ format });
  try {
    return { reply: await client.unaryCall(origin + path, message, metadata, descriptor) };
  } catch (error) {
    const [status] = Object.entries(StatusCode).find(([, code]) => code === error.code);
    return { status, challenge: error.metadata['www-authenticate'] };
  }
};

/** Encodes texts below 128 bytes in fields below 16, as Protobuf does. */
function encode(message) {
  const fields = Object.entries(message).map(([number, text]) => {
    const bytes = new TextEncoder().encode(text);
    return [(Number(number) << 3) | 2, bytes.length, ...bytes];
  });
  return new Uint8Array(fields.flat());
}

function decode(bytes) {
  const message = {};
  for (let start = 0; start < bytes.length; ) {
    const end = start + 2 + bytes[start + 1];
    message[bytes[start] >> 3] = new TextDecoder().decode(bytes.subarray(start + 2, end));
    start = end;
  }
  return message;
}
