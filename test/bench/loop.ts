import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import {
  eventually,
  type HeadlessNode,
  removeFolder,
  startHeadless,
  temporaryFolder,
} from "../support/headless-node.ts";
import { joinNotebook } from "../support/node-pair.ts";

/**
 * Delay of the node process' event loop while it imports a folder, and while a fresh node pulls it. In the windowed app the same
 * code runs in the main process, so a delay here is a frame the window's frame or menu waits for.
 */
const FILES = 1_000;
const MONITOR = path.join(import.meta.dirname, "support", "loop-monitor.ts");

interface Delay {
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

const monitored = async (
  label: string,
): Promise<{ readonly node: HeadlessNode; readonly delay: () => Delay; readonly folder: string }> => {
  const folder = temporaryFolder(label);
  const file = path.join(folder, "loop.json");
  const node = await startHeadless(folder, {
    nodeArgs: ["--import", MONITOR],
    environment: { LOOP_MONITOR_FILE: file },
  });
  return { node, folder, delay: () => JSON.parse(readFileSync(file, "utf8")) as Delay };
};

/** `--files N` for another size. */
export const run = async ({ args }: { readonly json: boolean; readonly args: readonly string[] }): Promise<object> => {
  const files = args.includes("--files") ? Number(args[args.indexOf("--files") + 1]) : FILES;
  const source = temporaryFolder("loop-source");
  for (let i = 0; i < files; i++) {
    const below = path.join(source, `folder ${i % 20}`);
    mkdirSync(below, { recursive: true });
    writeFileSync(path.join(below, `note ${i}.md`), `# Note ${i}\n\n${"Some words of text. ".repeat(60)}\n`);
  }
  const [left, right] = [await monitored("loop-left"), await monitored("loop-right")];
  try {
    await left.node.call("identity.create", { name: "Left" });
    await right.node.call("identity.create", { name: "Right" });
    const notebook = (await left.node.call("notebooks.create", { title: "Bench" })).id;
    const report = await left.node.call("import.markdown", { path: source, notebook });
    const importing = left.delay();
    await joinNotebook(left.node, right.node, notebook);
    await eventually(
      async () =>
        (await right.node.call("sync.summary")).pending === 0 &&
        (await right.node.call("documents.list", { notebook })).length >= files,
      "everything pulled and indexed",
      240_000,
    );
    return { bench: "loop", files, importMs: report.milliseconds, importing, syncing: right.delay(), goalP99Ms: 16 };
  } finally {
    await Promise.all([left.node.stop(), right.node.stop()]);
    for (const folder of [source, left.folder, right.folder]) removeFolder(folder);
  }
};
