import { readFileSync } from "node:fs";

/** What one host sent and received over TCP, both ways, and what it multicast, from a capture by tcpdump on Ethernet. */
export interface CapturedTraffic {
  /** `remote` is host:port of the other side. Payload only, reassembled, one entry for each direction. */
  readonly connections: readonly {
    readonly local: string;
    readonly remote: string;
    readonly streams: readonly Buffer[];
  }[];
  /** UDP payloads it sent to mDNS groups (RFC 6762). */
  readonly multicast: readonly Buffer[];
}

const FILE_HEADER = 24;
const PACKET_HEADER = 16;
const ETHERNET_HEADER = 14;
const IPV6_HEADER = 40;
const UDP_HEADER = 8;
const IPV4 = 0x0800;
const IPV6 = 0x86dd;
const TCP = 6;
const UDP = 17;
const MDNS_PORT = 5353;

interface Packet {
  readonly from: string;
  readonly to: string;
  readonly protocol: number;
  readonly body: Buffer;
}

const parsePacket = (frame: Buffer): Packet | undefined => {
  const type = frame.readUInt16BE(12);
  const ip = frame.subarray(ETHERNET_HEADER);
  if (type === IPV4) {
    const header = ((ip[0] ?? 0) & 15) * 4;
    const address = (at: number) => [...ip.subarray(at, at + 4)].join(".");
    const length = ip.readUInt16BE(2);
    return { from: address(12), to: address(16), protocol: ip[9] ?? 0, body: ip.subarray(header, length) };
  }
  if (type !== IPV6) return undefined;
  const address = (at: number) => `[${ip.subarray(at, at + 16).toString("hex")}]`;
  const body = ip.subarray(IPV6_HEADER, IPV6_HEADER + ip.readUInt16BE(4));
  return { from: address(8), to: address(24), protocol: ip[6] ?? 0, body };
};

/** Segments by their place in the stream; what was sent again counts once. */
const reassemble = (segments: readonly { readonly sequence: number; readonly bytes: Buffer }[]): Buffer => {
  const first = segments[0]?.sequence ?? 0;
  const placed = segments
    .map(({ sequence, bytes }) => ({ at: (sequence - first) >>> 0, bytes }))
    .filter(({ at }) => at < 2 ** 31)
    .toSorted((a, b) => a.at - b.at);
  const parts: Buffer[] = [];
  let end = 0;
  for (const { at, bytes } of placed) {
    const fresh = bytes.subarray(Math.max(0, end - at));
    if (fresh.length === 0) continue;
    parts.push(fresh);
    end = at + bytes.length;
  }
  return Buffer.concat(parts);
};

/** `isOwn`: whether an address, IPv6 as 32 hex digits in brackets, is the host's. */
export const readCapture = (file: string, isOwn: (address: string) => boolean): CapturedTraffic => {
  const bytes = readFileSync(file);
  const streams = new Map<string, { sequence: number; bytes: Buffer }[]>();
  const multicast: Buffer[] = [];
  for (let at = FILE_HEADER; at + PACKET_HEADER <= bytes.length;) {
    const captured = bytes.readUInt32LE(at + 8);
    const packet = parsePacket(bytes.subarray(at + PACKET_HEADER, at + PACKET_HEADER + captured));
    at += PACKET_HEADER + captured;
    if (packet === undefined) continue;
    const { body } = packet;
    if (packet.protocol === UDP && body.readUInt16BE(2) === MDNS_PORT && isOwn(packet.from))
      multicast.push(body.subarray(UDP_HEADER));
    if (packet.protocol !== TCP) continue;
    const key = `${packet.from}:${body.readUInt16BE(0)} ${packet.to}:${body.readUInt16BE(2)}`;
    const payload = body.subarray(((body[12] ?? 0) >> 4) * 4);
    const segments = streams.get(key) ?? [];
    streams.set(key, segments);
    if (payload.length > 0) segments.push({ sequence: body.readUInt32BE(4), bytes: payload });
  }
  const connections = [...streams.keys()].flatMap((key) => {
    const [from = "", to = ""] = key.split(" ");
    if (!isOwn(from.slice(0, from.lastIndexOf(":")))) return [];
    const both = [streams.get(key) ?? [], streams.get(`${to} ${from}`) ?? []];
    return [{ local: from, remote: to, streams: both.map(reassemble).filter(({ length }) => length > 0) }];
  });
  return { connections, multicast };
};

/**
 * Every longest byte string of at least `length` bytes that occurs in the traffic of two different sources, as latin1 text.
 * A source is a connection, or one identity's announcements.
 */
export const commonStrings = (sources: readonly (readonly Buffer[])[], length: number): readonly string[] => {
  const firstBySource = new Map<string, number>();
  const common = new Set<string>();
  const windows = (visit: (window: string, source: number) => void): void => {
    for (const [source, streams] of sources.entries())
      for (const stream of streams) {
        const text = stream.toString("latin1");
        for (let at = 0; at + length <= text.length; at++) visit(text.slice(at, at + length), source);
      }
  };
  windows((window, source) => {
    const first = firstBySource.get(window);
    if (first === undefined) firstBySource.set(window, source);
    else if (first !== source) common.add(window);
  });
  const longest = new Set<string>();
  for (const streams of sources)
    for (const stream of streams) {
      const text = stream.toString("latin1");
      let from: number | undefined;
      for (let at = 0; at + length <= text.length + 1; at++) {
        const isCommon = common.has(text.slice(at, at + length));
        if (isCommon) from ??= at;
        else if (from !== undefined) {
          longest.add(text.slice(from, at - 1 + length));
          from = undefined;
        }
      }
    }
  return [...longest];
};
