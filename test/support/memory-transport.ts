import type { Connection, ConnectionHandlers, Transport, TransportError } from "../../app/ports/transport.ts";
import { err, ok } from "../../protocol/kernel/result.ts";

const failure = (type: TransportError["type"]): TransportError => ({ type, message: type });

/** As much as a pipe holds before `write` answers false. */
const pipeBytes = 65_536;

/** One direction of a connection; delivery happens in later turns of the event loop, as with a socket. */
const createPipe = () => {
  const packets: (Uint8Array | "end")[] = [];
  let heldBytes = 0;
  let reader: Pick<ConnectionHandlers, "bytes" | "ended"> | undefined;
  let onDrained: () => void = () => undefined;
  let isPaused = false;
  let isCut = false;
  let owesDrained = false;
  let isScheduled = false;

  const pump = (): void => {
    isScheduled = false;
    while (reader !== undefined && !isPaused && !isCut) {
      const packet = packets.shift();
      if (packet === undefined) break;
      if (packet === "end") reader.ended();
      else {
        heldBytes -= packet.length;
        reader.bytes(packet);
      }
    }
    if (owesDrained && heldBytes === 0 && !isCut) {
      owesDrained = false;
      onDrained();
    }
  };
  const schedule = (): void => {
    if (isScheduled) return;
    isScheduled = true;
    setImmediate(pump);
  };
  return {
    write: (chunks: readonly Uint8Array[]): boolean => {
      for (const chunk of chunks) {
        packets.push(chunk.slice());
        heldBytes += chunk.length;
      }
      owesDrained ||= heldBytes >= pipeBytes;
      schedule();
      return !owesDrained;
    },
    end: (): void => {
      packets.push("end");
      schedule();
    },
    read: (given: Pick<ConnectionHandlers, "bytes" | "ended">): void => {
      reader = given;
      schedule();
    },
    onDrained: (callback: () => void): void => {
      onDrained = callback;
    },
    pause: (paused: boolean): void => {
      isPaused = paused;
      schedule();
    },
    cut: (): void => {
      isCut = true;
    },
  };
};
type Pipe = ReturnType<typeof createPipe>;

/** Two connected ends; `settled` is told when the second, accepted one is authenticated or closed. */
export const createConnectionPair = (
  addresses: readonly [string, string] = ["192.0.2.1:1", "192.0.2.2:2"],
  settled: () => void = () => undefined,
): readonly [Connection, Connection] => {
  const pipes = [createPipe(), createPipe()] as const;
  const ends: { handlers: ConnectionHandlers | undefined; isClosed: boolean; hasEnded: boolean }[] = [];
  const close = (index: number, error?: TransportError): void => {
    const end = ends[index];
    if (end === undefined || end.isClosed) return;
    end.isClosed = true;
    if (index === 1) settled();
    setImmediate(() => end.handlers?.closed(error));
  };
  const connectionOf = (index: 0 | 1, output: Pipe, input: Pipe): Connection => {
    const end: (typeof ends)[number] = { handlers: undefined, isClosed: false, hasEnded: false };
    ends[index] = end;
    return {
      remoteAddress: addresses[index],
      start: (handlers) => {
        end.handlers = handlers;
        output.onDrained(handlers.drained);
        input.read({
          bytes: handlers.bytes,
          ended: () => {
            handlers.ended();
            if (end.hasEnded) for (const each of [0, 1]) close(each);
          },
        });
      },
      write: (chunks) => end.isClosed || end.hasEnded || output.write(chunks),
      pause: () => input.pause(true),
      resume: () => input.pause(false),
      settle: index === 1 ? settled : () => undefined,
      end: () => {
        if (end.isClosed || end.hasEnded) return;
        end.hasEnded = true;
        output.end();
      },
      destroy: () => {
        for (const pipe of pipes) pipe.cut();
        close(index);
        close(1 - index, failure("Reset"));
      },
    };
  };
  return [connectionOf(0, pipes[0], pipes[1]), connectionOf(1, pipes[1], pipes[0])];
};

/** Transport within one process: the port's promises without the operating system. Every dialler has the address `192.0.2.1`. */
export const createMemoryTransport = (halfOpenPerAddress = 8): Transport => {
  const listeners = new Map<number, (connection: Connection) => void>();
  let nextPort = 49_152;
  let halfOpen = 0;
  return {
    listen: (_host, port, accepted) => {
      const bound = port === 0 ? nextPort++ : port;
      if (listeners.has(bound)) return Promise.resolve(err(failure("PortInUse")));
      listeners.set(bound, accepted);
      return Promise.resolve(
        ok({
          port: bound,
          close: () => {
            listeners.delete(bound);
            return Promise.resolve();
          },
        }),
      );
    },
    dial: (address, _deadline, signal) => {
      const port = /^(?:\[.+\]|[^:\s]+):(\d+)$/.exec(address)?.[1];
      if (port === undefined) return Promise.resolve(err(failure("BadAddress")));
      if (signal?.aborted === true) return Promise.resolve(err(failure("Aborted")));
      const accepted = listeners.get(Number(port));
      if (accepted === undefined) return Promise.resolve(err(failure("Refused")));
      let isHalfOpen = true;
      const [near, far] = createConnectionPair([address, `192.0.2.1:${nextPort++}`], () => {
        if (isHalfOpen) halfOpen -= 1;
        isHalfOpen = false;
      });
      halfOpen += 1;
      if (halfOpen > halfOpenPerAddress) far.destroy();
      else setImmediate(() => accepted(far));
      return Promise.resolve(ok(near));
    },
  };
};
