import { connect, createServer, isIPv6, type AddressInfo, type Server, type Socket } from "node:net";
import type { Connection, ConnectionHandlers, Listener, Transport, TransportError } from "../../app/ports/transport.ts";
import { invariant } from "../../protocol/kernel/assert.ts";
import { err, ok, type Result } from "../../protocol/kernel/result.ts";

export interface TcpLimits {
  /** Accepted connections that are not yet authenticated. */
  readonly halfOpen: number;
  readonly halfOpenPerAddress: number;
  /** Idle time before the first keep-alive probe. */
  readonly keepAliveMs: number;
  /** How long `end` waits for the peer to close in turn. */
  readonly lingerMs: number;
}

/** Half-open connections cost about 10 KiB each; eight from one address suffice for a household behind one router. */
export const defaultTcpLimits: TcpLimits = {
  halfOpen: 128,
  halfOpenPerAddress: 8,
  keepAliveMs: 30_000,
  lingerMs: 3000,
};

const typeByCode: Readonly<Record<string, TransportError["type"]>> = {
  EADDRINUSE: "PortInUse",
  EACCES: "PermissionDenied",
  EPERM: "PermissionDenied",
  EADDRNOTAVAIL: "AddressNotAvailable",
  EAFNOSUPPORT: "AddressNotAvailable",
  EINVAL: "BadAddress",
  ENOTFOUND: "HostNotFound",
  EAI_AGAIN: "HostNotFound",
  ECONNREFUSED: "Refused",
  EHOSTUNREACH: "Unreachable",
  ENETUNREACH: "Unreachable",
  ENETDOWN: "Unreachable",
  ETIMEDOUT: "TimedOut",
  ECONNRESET: "Reset",
  EPIPE: "Reset",
  ECONNABORTED: "Reset",
};

const messages: Readonly<Record<TransportError["type"], string>> = {
  PortInUse: "another program listens on this port",
  PermissionDenied: "the system does not allow this port or address",
  AddressNotAvailable: "this computer does not have that address",
  BadAddress: "an address is host:port, with IPv6 in brackets",
  HostNotFound: "the name cannot be resolved",
  Refused: "nothing listens at that address",
  Unreachable: "there is no route to that address",
  TimedOut: "no answer in time",
  Aborted: "given up",
  Reset: "the connection broke",
  TransportFailed: "the connection failed",
};

const failure = (type: TransportError["type"], detail = ""): TransportError => ({
  type,
  message: detail === "" ? messages[type] : `${messages[type]} (${detail})`,
});

const toTransportError = (error: unknown): TransportError => {
  const code = (error as NodeJS.ErrnoException).code ?? "";
  const type = typeByCode[code] ?? "TransportFailed";
  return failure(type, type === "TransportFailed" ? code : "");
};

const parseAddress = (address: string): { readonly host: string; readonly port: number } | undefined => {
  const match = /^(?:\[([0-9a-fA-F:.]+(?:%[\w.-]+)?)\]|([^\s:[\]]+)):(\d{1,5})$/.exec(address);
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  if (host === undefined || port < 1 || port > 65535) return undefined;
  return match?.[1] !== undefined && !isIPv6(host) ? undefined : { host, port };
};

const plainHost = (host: string): string => (host.startsWith("::ffff:") && host.includes(".") ? host.slice(7) : host);

const formatAddress = (host: string, port: number): string =>
  host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;

/** One household or host: a whole IPv6 /64, except that link-local neighbours share theirs. */
const limitKey = (host: string): string => {
  if (!isIPv6(host) || /^fe[89ab]/i.test(host)) return host;
  const [head = "", tail] = host.split("::");
  const groups = head === "" ? [] : head.split(":");
  const tailGroups = tail === undefined || tail === "" ? [] : tail.split(":");
  const zeros = tail === undefined ? 0 : 8 - groups.length - tailGroups.length;
  return [...groups, ...Array.from({ length: zeros }, () => "0"), ...tailGroups].slice(0, 4).join(":");
};

const createConnection = (socket: Socket, limits: TcpLimits, settle: () => void): Connection => {
  const host = plainHost(socket.remoteAddress ?? "");
  let handlers: ConnectionHandlers | undefined;
  let error: TransportError | undefined;
  let isClosed = false;
  socket.pause();
  socket.setNoDelay(true);
  socket.setKeepAlive(true, limits.keepAliveMs);
  socket.on("error", (cause) => {
    error ??= toTransportError(cause);
  });
  socket.on("close", () => {
    isClosed = true;
    settle();
    handlers?.closed(error);
  });
  return {
    remoteAddress: formatAddress(host, socket.remotePort ?? 0),
    start: (given) => {
      invariant(handlers === undefined, "a connection is started once");
      handlers = given;
      if (isClosed) {
        given.closed(error);
        return;
      }
      socket.on("data", (chunk: Buffer) => given.bytes(new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.length)));
      socket.on("drain", given.drained);
      socket.on("end", given.ended);
      socket.resume();
    },
    write: (chunks) => {
      if (isClosed || socket.writableEnded || socket.destroyed) return true;
      let isFree = true;
      socket.cork();
      for (const chunk of chunks) isFree = socket.write(chunk);
      socket.uncork();
      return isFree;
    },
    pause: () => {
      socket.pause();
    },
    resume: () => {
      socket.resume();
    },
    settle,
    end: () => {
      if (isClosed) return;
      socket.end();
      const timer = setTimeout(() => socket.destroy(), limits.lingerMs);
      socket.once("close", () => clearTimeout(timer));
    },
    destroy: () => {
      settle();
      socket.destroy();
    },
  };
};

type ListenAt = { readonly host: string; readonly port: number } | { readonly fd: number };

const listenOn = (server: Server, at: ListenAt): Promise<Result<AddressInfo, TransportError>> =>
  new Promise((resolve) => {
    const onError = (cause: Error): void => resolve(err(toTransportError(cause)));
    server.once("error", onError);
    server.listen({ ...at, exclusive: true }, () => {
      server.off("error", onError);
      resolve(ok(server.address() as AddressInfo));
    });
  });

/** `descriptor`: a socket that listens already, passed by who started this process; host and port are then not looked at. */
export const createTcpTransport = (limits: TcpLimits = defaultTcpLimits, descriptor?: number): Transport => {
  let halfOpen = 0;
  const halfOpenByAddress = new Map<string, number>();

  /** Takes a slot for a half-open connection; the returned function gives it back, once. */
  const takeSlot = (host: string): (() => void) | undefined => {
    const key = limitKey(host);
    const ofAddress = halfOpenByAddress.get(key) ?? 0;
    if (halfOpen >= limits.halfOpen || ofAddress >= limits.halfOpenPerAddress) return undefined;
    halfOpen += 1;
    halfOpenByAddress.set(key, ofAddress + 1);
    let isTaken = true;
    return () => {
      if (!isTaken) return;
      isTaken = false;
      halfOpen -= 1;
      const left = (halfOpenByAddress.get(key) ?? 1) - 1;
      if (left === 0) halfOpenByAddress.delete(key);
      else halfOpenByAddress.set(key, left);
    };
  };

  const listen: Transport["listen"] = async (host, port, accepted) => {
    const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (socket) => {
      const release = takeSlot(plainHost(socket.remoteAddress ?? ""));
      if (release === undefined) {
        socket.destroy();
        return;
      }
      accepted(createConnection(socket, limits, release));
    });
    let listening = await listenOn(server, descriptor === undefined ? { host, port } : { fd: descriptor });
    if (!listening.ok && listening.error.type === "AddressNotAvailable" && host === "::")
      listening = await listenOn(server, { host: "0.0.0.0", port });
    if (!listening.ok) return listening;
    server.on("error", () => server.close());
    return ok({
      port: listening.value.port,
      close: () => new Promise<void>((resolve) => server.close(() => resolve())),
    } satisfies Listener);
  };

  const dial: Transport["dial"] = (address, deadline, signal) => {
    const target = parseAddress(address);
    if (target === undefined) return Promise.resolve(err(failure("BadAddress")));
    if (signal?.aborted === true) return Promise.resolve(err(failure("Aborted")));
    return new Promise((resolve) => {
      const socket = connect({ ...target, allowHalfOpen: true });
      const giveUp = (error: TransportError): void => {
        finish();
        socket.destroy();
        resolve(err(error));
      };
      const onError = (cause: Error): void => giveUp(toTransportError(firstCause(cause)));
      const onAbort = (): void => giveUp(failure("Aborted"));
      const timer = setTimeout(() => giveUp(failure("TimedOut")), deadline);
      const finish = (): void => {
        clearTimeout(timer);
        signal?.removeEventListener("abort", onAbort);
        socket.off("error", onError);
        socket.on("error", () => socket.destroy());
      };
      signal?.addEventListener("abort", onAbort);
      socket.once("error", onError);
      socket.once("connect", () => {
        finish();
        resolve(ok(createConnection(socket, limits, () => undefined)));
      });
    });
  };
  return { listen, dial };
};

/** When every address of a name failed, Node reports an AggregateError without a code on some versions. */
const firstCause = (error: Error): unknown => {
  const causes = error instanceof AggregateError ? (error.errors as unknown[]) : [];
  return (error as NodeJS.ErrnoException).code === undefined ? (causes[0] ?? error) : error;
};
