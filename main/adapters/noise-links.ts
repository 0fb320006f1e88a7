import { networkInterfaces } from "node:os";
import type { Clock } from "../../app/ports/clock.ts";
import type { DialAs, Link, LinkError, LinkFault, Links } from "../../app/ports/links.ts";
import type { Log } from "../../app/ports/log.ts";
import type { Connection, Listener, Transport, TransportError } from "../../app/ports/transport.ts";
import type { LinkClosedReason, LinkRole } from "../../app/runtime/link.ts";
import type { NoiseLink } from "../../app/runtime/noise-link.ts";
import { createNoiseLink } from "../../app/runtime/noise-link.ts";
import type { CryptoProvider } from "../../protocol/crypto/provider.ts";
import type { RandomSource } from "../../protocol/kernel/random.ts";
import type { Result } from "../../protocol/kernel/result.ts";
import { err, ok } from "../../protocol/kernel/result.ts";
import { durationMs } from "../../protocol/kernel/time.ts";

const DIAL_DEADLINE = durationMs(10_000);

const sentence = (reason: LinkClosedReason): string => {
  switch (reason.type) {
    case "ClosedHere":
      return "The connection was closed here.";
    case "Goodbye":
      return "The other side closed the connection.";
    case "Truncated":
      return "The connection broke.";
    case "HandshakeTimeout":
      return "The other side did not finish the handshake in time.";
    case "Idle":
      return "The other side stopped answering.";
    case "Rejected":
      return "The other side has no version of the protocol in common with this app: the older of the two has to be updated.";
    case "NoiseFailed":
      return "The encrypted connection failed its checks.";
    default:
      return "The connection ended.";
  }
};

const faults: Partial<Record<TransportError["type"], LinkFault>> = {
  PermissionDenied: "notAllowed",
  HostNotFound: "hostNotFound",
  Refused: "refused",
  Unreachable: "unreachable",
  TimedOut: "timedOut",
};

const linkError = (error: TransportError): LinkError => {
  switch (error.type) {
    case "PortInUse":
    case "BadAddress":
      return { type: error.type, message: error.message };
    case "AddressNotAvailable":
      return { type: "BadAddress", message: error.message };
    default:
      return { type: "PeerUnreachable", message: error.message, fault: faults[error.type] ?? "unreachable" };
  }
};

/** Addresses people can type elsewhere to reach this port: all of this computer's, or the one listened on. */
export const reachableAt = (host: string | undefined, port: number): readonly string[] => {
  const format = (address: string): string => (address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`);
  if (host !== undefined && host !== "::" && host !== "0.0.0.0") return [format(host)];
  const addresses = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
  const outside = addresses.filter(({ internal, address }) => !internal && !address.startsWith("fe80:"));
  return (outside.length > 0 ? outside.map(({ address }) => address) : ["127.0.0.1"]).map(format);
};

/** Links over NoiseSocket; a fresh static key for each not dialled as somebody, so that two meetings with one stranger cannot be linked. */
export const createNoiseLinks = (deps: {
  readonly transport: Transport;
  readonly crypto: CryptoProvider;
  readonly random: RandomSource;
  readonly clock: Clock;
  readonly log: Log;
}): Links => {
  const { transport, crypto, random, clock, log } = deps;
  const open = new Set<NoiseLink>();
  let listener: Listener | undefined;

  const roleOf = (side: Link["role"], as: DialAs | undefined): LinkRole => {
    const staticKey = as?.staticKey ?? crypto.dhKeyPair(random.bytes(32));
    if (side === "responder" || as === undefined) return { side, staticKey };
    const { application, remoteStatic } = as;
    return { side, staticKey, application, ...(remoteStatic === null ? {} : { remoteStatic }) };
  };

  const establish = (connection: Connection, side: Link["role"], as?: DialAs): Promise<Result<Link, LinkError>> =>
    new Promise((resolve) => {
      let handlers: Parameters<Link["start"]>[0] | undefined;
      const early: Uint8Array[] = [];
      let ended: string | undefined;
      const noise = createNoiseLink({ crypto, random, clock }, connection, roleOf(side, as), {
        opened: ({ handshakeHash, remoteStatic }) =>
          resolve(
            ok({
              role: side,
              handshakeHash,
              remoteStatic,
              address: connection.remoteAddress,
              send: (message, channel) => {
                const sent = noise.send(message, channel);
                if (!sent.ok && sent.error.type === "MessageTooLong")
                  log.error("message too long", { bytes: message.length });
              },
              start: (given) => {
                handlers = given;
                for (const message of early.splice(0)) given.message(message);
                if (ended !== undefined) given.closed(ended);
              },
              probe: noise.probe,
              close: noise.close,
            }),
          ),
        message: (bytes) => {
          if (handlers === undefined) early.push(bytes);
          else handlers.message(bytes);
        },
        drained: () => undefined,
        closed: (reason) => {
          open.delete(noise);
          ended = sentence(reason);
          if (reason.type === "NoiseFailed") log.info("handshake or record failed", { reason: reason.error.type });
          resolve(err({ type: "HandshakeFailed", message: ended, fault: "handshake" }));
          handlers?.closed(ended);
        },
      });
      open.add(noise);
    });

  return {
    listen: async (host, port, accepted) => {
      const listening = await transport.listen(host ?? "::", port, (connection) => {
        void establish(connection, "responder").then((link) => {
          if (link.ok) accepted(link.value);
        });
      });
      if (!listening.ok) return err(linkError(listening.error));
      listener = listening.value;
      return ok({ port: listener.port, addresses: reachableAt(host, listener.port) });
    },
    dial: async (address, as) => {
      const connection = await transport.dial(address, DIAL_DEADLINE);
      if (!connection.ok) return err(linkError(connection.error));
      return establish(connection.value, "initiator", as);
    },
    stop: async () => {
      for (const link of open) link.close();
      await listener?.close();
      listener = undefined;
    },
  };
};
