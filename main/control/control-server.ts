import { randomBytes, timingSafeEqual } from "node:crypto";
import { chmodSync, rmSync, writeFileSync } from "node:fs";
import net from "node:net";
import path from "node:path";
import type { ContractHost } from "../../app/contract/handlers.ts";
import type { Result } from "../../protocol/kernel/result.ts";
import { err, ok } from "../../protocol/kernel/result.ts";
import type { ControlRequest } from "./control-protocol.ts";
import { controlSocketPath, createLineReader, decodeLine, encodeLine, TOKEN_FILE } from "./control-protocol.ts";

export interface ControlServerError {
  readonly type: "DataDirectoryInUse" | "CannotWrite" | "DiskFull";
}

const answers = (socketPath: string): Promise<boolean> =>
  new Promise((resolve) => {
    const probe = net.connect(socketPath);
    probe.once("connect", () => {
      probe.destroy();
      resolve(true);
    });
    probe.once("error", () => resolve(false));
  });

const identityOf = ({ identity }: { readonly identity?: unknown }): string | undefined =>
  typeof identity === "string" ? identity : undefined;

const isRequest = (value: unknown): value is ControlRequest =>
  typeof value === "object" && value !== null && typeof (value as { type?: unknown }).type === "string";

/**
 * Claims a data folder for this process: whoever listens on its control socket owns it. The contract is served there
 * once `serve` was called; until then callers wait.
 */
export const claimDataDirectory = async (
  dataDirectory: string,
): Promise<
  Result<{ readonly serve: (host: ContractHost) => void; readonly close: () => Promise<void> }, ControlServerError>
> => {
  const socketPath = controlSocketPath(dataDirectory);
  if (await answers(socketPath)) return err({ type: "DataDirectoryInUse" });
  if (process.platform !== "win32") rmSync(socketPath, { force: true });
  const token = randomBytes(32).toString("hex");
  let host: ContractHost | undefined;
  const waiting: (() => void)[] = [];
  const sockets = new Set<net.Socket>();

  const connected = (socket: net.Socket): void => {
    sockets.add(socket);
    const subscriptions = new Map<number, () => void>();
    let trusted = false;
    const send = (id: number, result: unknown): void => {
      if (!socket.destroyed) socket.write(encodeLine({ id, result }));
    };
    const dispatch = async (request: ControlRequest): Promise<void> => {
      if (request.type === "hello") {
        const given = Buffer.from(typeof request.token === "string" ? request.token : "");
        const wanted = Buffer.from(token);
        trusted = given.length === wanted.length && timingSafeEqual(given, wanted);
        if (!trusted) socket.destroy();
        return;
      }
      if (!trusted || !Number.isSafeInteger(request.id)) {
        socket.destroy();
        return;
      }
      if (host === undefined) await new Promise<void>((resolve) => waiting.push(resolve));
      const serving = host as unknown as ContractHost;
      if (request.type === "invoke")
        send(request.id, await serving.invoke(String(request.name), request.input, identityOf(request)));
      else if (request.type === "subscribe") {
        subscriptions.get(request.id)?.();
        const emit = (message: unknown) => send(request.id, message);
        subscriptions.set(
          request.id,
          serving.subscribe(String(request.name), request.input, emit, identityOf(request)),
        );
      } else if (request.type === "unsubscribe") {
        subscriptions.get(request.id)?.();
        subscriptions.delete(request.id);
      }
    };
    const read = createLineReader(
      (line) => {
        const request = decodeLine(line);
        if (isRequest(request)) void dispatch(request);
        else socket.destroy();
      },
      () => socket.destroy(),
    );
    socket.on("data", read);
    socket.on("error", () => socket.destroy());
    socket.on("close", () => {
      sockets.delete(socket);
      for (const stop of subscriptions.values()) stop();
    });
  };

  const server = net.createServer(connected);
  const listening = await new Promise<boolean>((resolve) => {
    server.once("error", () => resolve(false));
    server.listen(socketPath, () => resolve(true));
  });
  if (!listening) return err({ type: (await answers(socketPath)) ? "DataDirectoryInUse" : "CannotWrite" });
  try {
    if (process.platform !== "win32") chmodSync(socketPath, 0o600);
    writeFileSync(path.join(dataDirectory, TOKEN_FILE), token, { mode: 0o600 });
  } catch (cause) {
    server.close();
    const code = cause instanceof Error && "code" in cause ? cause.code : undefined;
    return err({ type: code === "ENOSPC" || code === "EDQUOT" ? "DiskFull" : "CannotWrite" });
  }
  return ok({
    serve: (given) => {
      host = given;
      for (const resume of waiting.splice(0)) resume();
    },
    close: () =>
      new Promise((resolve) => {
        // Answers under way (such as that of node.stop) are still flushed by end().
        for (const socket of sockets) socket.end();
        server.close(() => resolve());
        setTimeout(() => {
          for (const socket of sockets) socket.destroy();
        }, 200).unref();
      }),
  });
};
