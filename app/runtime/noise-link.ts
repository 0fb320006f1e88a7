import type { MonotonicMs } from "../../protocol/kernel/time.ts";
import { durationMs } from "../../protocol/kernel/time.ts";
import { err, ok, type Result } from "../../protocol/kernel/result.ts";
import type { Clock } from "../ports/clock.ts";
import type { Connection } from "../ports/transport.ts";
import { type Channel, maxMessageBytes } from "./link-messages.ts";
import {
  createLink,
  type LinkClosedReason,
  type LinkDeps,
  type LinkEvent,
  type LinkOpened,
  type LinkRole,
  type LinkTimes,
} from "./link.ts";

export interface NoiseLinkHandlers {
  readonly opened: (opened: LinkOpened) => void;
  /** One message as it was sent; the array belongs to the receiver. */
  readonly message: (bytes: Uint8Array) => void;
  /** Everything sent so far has been handed to the connection. */
  readonly drained: () => void;
  /** Called once and last. */
  readonly closed: (reason: LinkClosedReason) => void;
}

export type LinkSendError =
  { readonly type: "LinkClosed" } | { readonly type: "MessageTooLong"; readonly limit: number };

/** An encrypted, authenticated connection that carries messages of up to 4.25 MiB. */
export interface NoiseLink {
  readonly remoteAddress: string;
  /** Queues a message, also before the handshake is over. Callers with much to send wait for `drained` now and then. */
  readonly send: (message: Uint8Array, channel?: Channel) => Result<void, LinkSendError>;
  readonly queuedBytes: () => number;
  /** Asks the peer for a sign of life within seconds, for instance after the computer woke up. */
  readonly probe: () => void;
  /** Stops and resumes reading, so that the peer feels back-pressure. */
  readonly pause: () => void;
  readonly resume: () => void;
  /** Says goodbye and closes; messages still queued are dropped. */
  readonly close: () => void;
}

export interface NoiseLinkDeps extends LinkDeps {
  readonly clock: Clock;
}

/** Runs a link over a connection that has not been started. */
export const createNoiseLink = (
  deps: NoiseLinkDeps,
  connection: Connection,
  role: LinkRole,
  handlers: NoiseLinkHandlers,
  times?: LinkTimes,
): NoiseLink => {
  const { clock } = deps;
  const link = createLink(deps, role, times);
  const events: LinkEvent[] = [];
  let isRunning = false;
  let isClosed = false;
  let timer: { readonly due: MonotonicMs; readonly cancel: () => void } | undefined;

  const arm = (): void => {
    const due = link.nextDeadline();
    if (due === undefined || isClosed) {
      timer?.cancel();
      timer = undefined;
      return;
    }
    if (timer !== undefined && timer.due <= due) return;
    timer?.cancel();
    timer = { due, cancel: clock.after(durationMs(due - clock.monotonic()), onTimer) };
  };
  const onTimer = (): void => {
    timer = undefined;
    dispatch({ type: "deadlineReached" });
  };

  const handle = (event: LinkEvent): void => {
    for (const effect of link.handle(event, clock.monotonic())) {
      switch (effect.type) {
        case "write":
          if (connection.write(effect.chunks)) events.push({ type: "writable" });
          break;
        case "opened":
          connection.settle();
          handlers.opened(effect);
          break;
        case "message":
          handlers.message(effect.bytes);
          break;
        case "drained":
          handlers.drained();
          break;
        case "closed":
          isClosed = true;
          if (effect.flush) connection.end();
          else connection.destroy();
          handlers.closed(effect.reason);
          break;
      }
    }
  };
  /** What a handler requests while effects are carried out waits until they all are. */
  const dispatch = (event: LinkEvent): void => {
    events.push(event);
    if (isRunning) return;
    isRunning = true;
    try {
      for (let next = events.shift(); next !== undefined; next = events.shift()) handle(next);
    } finally {
      isRunning = false;
      arm();
    }
  };

  connection.start({
    bytes: (bytes) => dispatch({ type: "bytesReceived", bytes }),
    drained: () => dispatch({ type: "writable" }),
    ended: () => dispatch({ type: "streamEnded" }),
    closed: (error) => dispatch({ type: "connectionClosed", error: error?.type }),
  });
  dispatch({ type: "connected" });

  return {
    remoteAddress: connection.remoteAddress,
    send: (message, channel = "bulk") => {
      if (isClosed) return err({ type: "LinkClosed" });
      if (message.length > maxMessageBytes) return err({ type: "MessageTooLong", limit: maxMessageBytes });
      dispatch({ type: "sendRequested", channel, message });
      return ok(undefined);
    },
    queuedBytes: link.queuedBytes,
    probe: () => dispatch({ type: "probeRequested" }),
    pause: () => {
      connection.pause();
      dispatch({ type: "readingPaused" });
    },
    resume: () => {
      dispatch({ type: "readingResumed" });
      connection.resume();
    },
    close: () => dispatch({ type: "closeRequested" }),
  };
};
