import { readFileSync } from "node:fs";
import net from "node:net";
import path from "node:path";
import type { ContractTransport } from "../../app/contract/create-api.ts";
import type { ContractError } from "../../app/contract/errors.ts";
import { contractError } from "../../app/contract/errors.ts";
import type { Result } from "../../protocol/kernel/result.ts";
import { err, ok } from "../../protocol/kernel/result.ts";
import type { ControlResponse } from "./control-protocol.ts";
import { controlSocketPath, createLineReader, decodeLine, encodeLine, TOKEN_FILE } from "./control-protocol.ts";

export interface ControlClient extends ContractTransport {
  readonly close: () => void;
}

/** The node of the data folder does not run, or is another user's. */
export interface NoNode {
  readonly type: "NoNode";
  readonly message: string;
}

/** Connects to the node that owns `dataDirectory`. */
export const connectControl = async (dataDirectory: string): Promise<Result<ControlClient, NoNode>> => {
  const noNode = err({
    type: "NoNode" as const,
    message: `No node runs on ${dataDirectory}. Start one with: p2pcollab node --data-dir ${dataDirectory}`,
  });
  const socket = net.connect(controlSocketPath(dataDirectory));
  const up = await new Promise<boolean>((resolve) => {
    socket.once("connect", () => resolve(true));
    socket.once("error", () => resolve(false));
  });
  if (!up) return noNode;
  let token: string;
  try {
    token = readFileSync(path.join(dataDirectory, TOKEN_FILE), "utf8");
  } catch {
    socket.destroy();
    return noNode;
  }
  let nextId = 1;
  const pending = new Map<number, (result: Result<unknown, ContractError>) => void>();
  const streams = new Map<number, (message: Result<unknown, ContractError>) => void>();
  socket.on("error", () => socket.destroy());
  socket.on("close", () => {
    for (const settle of pending.values()) settle(err(contractError("Stopping")));
    pending.clear();
  });
  socket.on(
    "data",
    createLineReader(
      (line) => {
        const { id, result } = decodeLine(line) as ControlResponse;
        const settle = pending.get(id) ?? streams.get(id);
        pending.delete(id);
        settle?.(result as Result<unknown, ContractError>);
      },
      () => socket.destroy(),
    ),
  );
  socket.write(encodeLine({ type: "hello", token }));
  return ok({
    invoke: (name, input, identity) =>
      new Promise((resolve) => {
        if (socket.destroyed) {
          resolve(err(contractError("Stopping")));
          return;
        }
        const id = nextId++;
        pending.set(id, resolve);
        socket.write(encodeLine({ type: "invoke", id, name, input, ...(identity === undefined ? {} : { identity }) }));
      }),
    subscribe: (name, input, listener, identity) => {
      const id = nextId++;
      streams.set(id, listener);
      socket.write(encodeLine({ type: "subscribe", id, name, input, ...(identity === undefined ? {} : { identity }) }));
      return () => {
        streams.delete(id);
        if (!socket.destroyed) socket.write(encodeLine({ type: "unsubscribe", id }));
      };
    },
    close: () => socket.destroy(),
  });
};
