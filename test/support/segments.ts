import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import type { NetworkHost } from "./netns.ts";

/**
 * Segments of a network, each a namespace with a loopback device alone: what passes between them passes their borders
 * (`segment-border.ts`), which delay, lose, cut and translate. Kernels without netem and netfilter do. Linux, root, iproute2.
 */
export interface Segments {
  /** The segment's one computer. */
  readonly host: (segment: number) => Pick<NetworkHost, "address" | "command">;
  readonly cut: (segment: number) => void;
  readonly mend: (segment: number) => void;
  readonly dispose: () => void;
}

export interface SegmentsOptions {
  readonly count: number;
  /** Ports that can be dialled in every segment but the translated one. */
  readonly ports: readonly number[];
  /** The segment behind a translator. */
  readonly translated: number;
  readonly latencyMs: number;
  readonly loss: number;
  /** For the borders' sockets. */
  readonly folder: string;
}

const ip = (...args: readonly string[]): string => execFileSync("ip", args, { encoding: "utf8", stdio: "pipe" });
const BORDER = path.join(import.meta.dirname, "segment-border.ts");
let created = 0;

export const createSegments = async (options: SegmentsOptions): Promise<Segments> => {
  const { count, ports, translated, folder } = options;
  const prefix = `p2pc${process.pid}s${++created}`;
  const all = Array.from({ length: count }, (_, segment) => segment);
  const namespaceOf = (segment: number): string => `${prefix}-${segment}`;
  const hostOf = (segment: number): string => `10.78.${segment}.1`;
  const commandIn =
    (segment: number) =>
    (argv: readonly string[]): readonly [string, ...string[]] => ["ip", "netns", "exec", namespaceOf(segment), ...argv];
  const borders: ChildProcess[] = [];
  const dispose = (): void => {
    for (const border of borders) border.kill("SIGKILL");
    const present = new Set(
      ip("netns", "list")
        .split("\n")
        .map((line) => line.split(" ")[0] ?? ""),
    );
    for (const segment of all) if (present.has(namespaceOf(segment))) ip("netns", "del", namespaceOf(segment));
  };
  try {
    for (const segment of all) {
      const inside = (...args: readonly string[]) => ip("-n", namespaceOf(segment), ...args);
      ip("netns", "add", namespaceOf(segment));
      inside("link", "set", "lo", "up");
      inside("addr", "add", `${hostOf(segment)}/32`, "dev", "lo");
      inside("addr", "add", `10.78.${segment}.254/32`, "dev", "lo");
      const others = all.filter((other) => other !== segment && other !== translated);
      // Every address of another segment leads to this one's border.
      for (const other of others) inside("route", "add", "local", `10.78.${other}.0/24`, "dev", "lo");
      const listened = others.flatMap((other) => ports.map((port) => `${other}/${hostOf(other)}:${port}`)).join();
      const argv = [String(segment), folder, listened, String(options.latencyMs), String(options.loss)];
      const [command, ...rest] = commandIn(segment)([process.execPath, BORDER, ...argv]);
      const border = spawn(command, rest, { stdio: ["ignore", "pipe", "inherit"] });
      borders.push(border);
      await new Promise((resolve) => border.stdout.once("data", resolve));
    }
  } catch (cause) {
    dispose();
    throw cause;
  }
  return {
    host: (segment) => ({ address: hostOf(segment), command: commandIn(segment) }),
    cut: (segment) => writeFileSync(path.join(folder, `cut-${segment}`), ""),
    mend: (segment) => rmSync(path.join(folder, `cut-${segment}`), { force: true }),
    dispose,
  };
};
