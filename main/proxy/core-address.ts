import { isIPv4, isIPv6, SocketAddress } from "node:net";
import type { Address } from "../../protocol/identity/descriptor.ts";

/** Sixteen bytes of a valid IPv6 address without zone. */
const ipv6Bytes = (text: string): Uint8Array => {
  const mapped = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(text);
  const plain =
    mapped === null
      ? text
      : `${mapped[1]}${[...Buffer.from((mapped[2] ?? "").split(".").map(Number))].reduce((groups, byte, at) => groups + (at === 2 ? ":" : "") + byte.toString(16).padStart(2, "0"), "")}`;
  const [head = "", tail] = plain.split("::");
  const groupsOf = (part: string): string[] => (part === "" ? [] : part.split(":"));
  const front = groupsOf(head);
  const back = groupsOf(tail ?? "");
  const zeros = Array.from({ length: tail === undefined ? 0 : 8 - front.length - back.length }, () => "0");
  const out = new Uint8Array(16);
  for (const [at, group] of [...front, ...zeros, ...back].entries()) {
    const value = Number.parseInt(group, 16);
    out[2 * at] = value >>> 8;
    out[2 * at + 1] = value & 0xff;
  }
  return out;
};

/** Bytes of an IP address as text; `undefined` for a name. A zone is left out: it means nothing elsewhere. */
export const hostBytes = (host: string): Uint8Array | undefined => {
  if (isIPv4(host)) return Uint8Array.from(host.split(".").map(Number));
  const [plain = ""] = host.split("%");
  return isIPv6(plain) ? ipv6Bytes(plain) : undefined;
};

/** Address of `host:port`, IPv6 in brackets; `undefined` when it is none. */
export const parseAddress = (text: string): Address | undefined => {
  const match = /^(?:\[([^\]]+)\]|([^\s:[\]]+)):(\d{1,5})$/.exec(text);
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  if (host === undefined || port < 1 || port > 65_535) return undefined;
  const bytes = hostBytes(host);
  if (bytes !== undefined) return { kind: bytes.length === 4 ? "ipv4" : "ipv6", host: bytes, port };
  const name = Uint8Array.from(Buffer.from(host, "latin1"));
  const isName = match?.[1] === undefined && name.length <= 253 && name.every((byte) => byte > 0x20 && byte < 0x7f);
  return isName ? { kind: "dns", host: name, port } : undefined;
};

/** `host:port` as a transport takes it. */
export const formatAddress = ({ kind, host, port }: Address): string => {
  if (kind === "dns") return `${Buffer.from(host).toString("latin1")}:${port}`;
  if (kind === "ipv4") return `${host.join(".")}:${port}`;
  const groups = Array.from({ length: 8 }, (_, at) =>
    (((host[2 * at] ?? 0) << 8) | (host[2 * at + 1] ?? 0)).toString(16),
  ).join(":");
  return `[${new SocketAddress({ address: groups, family: "ipv6" }).address}]:${port}`;
};

/** The IP address in `host:port`, `null` when it names none. */
export const hostOf = (address: string): Uint8Array | null => {
  const parsed = parseAddress(address);
  return parsed === undefined || parsed.kind === "dns" ? null : parsed.host;
};
