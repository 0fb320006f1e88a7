import { ascii, concatBytes } from "../kernel/bytes.ts";
import { type DecodeError, decodeError, ok, type Result } from "../kernel/result.ts";

/** First negotiation data of a connection, in the encoding of NoiseLingo (NLS revision 1). Strings are printable ASCII. */
export interface NegotiationRequest {
  readonly initialProtocol: string;
  /** What Alice would accept a switch to. */
  readonly switchProtocols: readonly string[];
  /** What Alice would retry with. */
  readonly retryProtocols: readonly string[];
  /** Our extension, field 11: the application prologue asked for, when it is not the default one. */
  readonly application: string | undefined;
}

export type NegotiationResponse =
  | { readonly type: "switch"; readonly protocol: string }
  | { readonly type: "retry"; readonly protocol: string }
  | { readonly type: "rejected" };

/** A whole request with sixteen names a list stays below this. */
export const maxNegotiationBytes = 4096;
/** More alternatives than there are suites of one pattern serve no purpose. */
const maxProtocols = 16;
const maxStringLength = 255;

const requestFields = { initialProtocol: 2, switchProtocol: 3, retryProtocol: 4, application: 11 } as const;
const responseFields = { switchProtocol: 3, retryProtocol: 4, rejected: 5 } as const;

/** Wire types of protocol buffers that can still occur: groups are obsolete and refused. */
const wireType = { varint: 0, fixed64: 1, bytes: 2, fixed32: 5 } as const;

interface Field {
  readonly number: number;
  readonly varint: number | undefined;
  readonly bytes: Uint8Array | undefined;
  readonly at: number;
}

/** Varints here number fields or count bytes; none of either needs more than 4 bytes. */
const readVarint = (bytes: Uint8Array, at: number): readonly [value: number, end: number] | undefined => {
  let value = 0;
  for (let i = 0; i < 4; i++) {
    const byte = bytes[at + i];
    if (byte === undefined) return undefined;
    value |= (byte & 0x7f) << (7 * i);
    if (byte < 0x80) return [value, at + i + 1];
  }
  return undefined;
};

const readField = (bytes: Uint8Array, at: number): readonly [Field, end: number] | undefined => {
  const key = readVarint(bytes, at);
  if (key === undefined) return undefined;
  const [tag, start] = key;
  const number = tag >>> 3;
  const kind = tag & 7;
  if (number === 0) return undefined;
  if (kind === wireType.fixed32 || kind === wireType.fixed64) {
    const end = start + (kind === wireType.fixed32 ? 4 : 8);
    return end > bytes.length ? undefined : [{ number, varint: undefined, bytes: undefined, at }, end];
  }
  const value = readVarint(bytes, start);
  if (value === undefined) return undefined;
  const [varint, end] = value;
  if (kind === wireType.varint) return [{ number, varint, bytes: undefined, at }, end];
  if (kind !== wireType.bytes || end + varint > bytes.length) return undefined;
  return [{ number, varint: undefined, bytes: bytes.subarray(end, end + varint), at }, end + varint];
};

const readFields = (bytes: Uint8Array): Result<readonly Field[], DecodeError> => {
  if (bytes.length > maxNegotiationBytes) return decodeError("negotiation data is too long");
  const fields: Field[] = [];
  let at = 0;
  while (at < bytes.length) {
    const read = readField(bytes, at);
    if (read === undefined) return decodeError("malformed field", at);
    fields.push(read[0]);
    at = read[1];
  }
  return ok(fields);
};

const textOf = (field: Field): string | undefined => {
  const { bytes } = field;
  if (bytes === undefined || bytes.length === 0 || bytes.length > maxStringLength) return undefined;
  return bytes.every((byte) => byte >= 0x21 && byte <= 0x7e) ? String.fromCharCode(...bytes) : undefined;
};

/** Unknown fields are skipped, as NoiseLingo demands; of a repeated singular field the last counts, as in protocol buffers. */
export const decodeNegotiationRequest = (bytes: Uint8Array): Result<NegotiationRequest, DecodeError> => {
  const fields = readFields(bytes);
  if (!fields.ok) return fields;
  let initialProtocol: string | undefined;
  let application: string | undefined;
  const switchProtocols: string[] = [];
  const retryProtocols: string[] = [];
  const known: readonly number[] = Object.values(requestFields);
  for (const field of fields.value) {
    if (!known.includes(field.number)) continue;
    const text = textOf(field);
    if (text === undefined) return decodeError("a name is printable ASCII", field.at);
    if (field.number === requestFields.initialProtocol) initialProtocol = text;
    else if (field.number === requestFields.switchProtocol) switchProtocols.push(text);
    else if (field.number === requestFields.retryProtocol) retryProtocols.push(text);
    else application = text;
  }
  if (initialProtocol === undefined) return decodeError("initial protocol is missing");
  if (Math.max(switchProtocols.length, retryProtocols.length) > maxProtocols) return decodeError("too many protocols");
  return ok({ initialProtocol, switchProtocols, retryProtocols, application });
};

export const decodeNegotiationResponse = (bytes: Uint8Array): Result<NegotiationResponse, DecodeError> => {
  const fields = readFields(bytes);
  if (!fields.ok) return fields;
  let response: NegotiationResponse | undefined;
  const known: readonly number[] = Object.values(responseFields);
  for (const field of fields.value) {
    if (!known.includes(field.number)) continue;
    if (response !== undefined) return decodeError("one answer", field.at);
    if (field.number === responseFields.rejected) {
      if (field.varint !== 1) return decodeError("rejected is true or absent", field.at);
      response = { type: "rejected" };
    } else {
      const protocol = textOf(field);
      if (protocol === undefined) return decodeError("a name is printable ASCII", field.at);
      response = { type: field.number === responseFields.switchProtocol ? "switch" : "retry", protocol };
    }
  }
  return response === undefined ? decodeError("no answer in the response") : ok(response);
};

const varint = (value: number): number[] => (value < 0x80 ? [value] : [(value & 0x7f) | 0x80, value >> 7]);

const textField = (number: number, text: string): Uint8Array =>
  concatBytes(Uint8Array.of((number << 3) | wireType.bytes, ...varint(text.length)), ascii(text));

export const encodeNegotiationRequest = (request: NegotiationRequest): Uint8Array =>
  concatBytes(
    textField(requestFields.initialProtocol, request.initialProtocol),
    ...request.switchProtocols.map((name) => textField(requestFields.switchProtocol, name)),
    ...request.retryProtocols.map((name) => textField(requestFields.retryProtocol, name)),
    ...(request.application === undefined ? [] : [textField(requestFields.application, request.application)]),
  );

export const encodeNegotiationResponse = (response: NegotiationResponse): Uint8Array => {
  if (response.type === "rejected") return Uint8Array.of((responseFields.rejected << 3) | wireType.varint, 1);
  return textField(
    response.type === "switch" ? responseFields.switchProtocol : responseFields.retryProtocol,
    response.protocol,
  );
};
