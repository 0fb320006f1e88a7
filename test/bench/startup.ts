import { spawn } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { startDisplay } from "../support/display.ts";
import { ROOT, electronRuntime } from "../support/electron-runtime.ts";
import { removeFolder, startHeadless, temporaryFolder } from "../support/headless-node.ts";

/**
 * Spawn to a painted note that can be typed into, warm page cache: with one note and with many, beside a window that holds
 * nothing but an editable paragraph. All run inside the same probe, started without a debugger, in turns. Beside medians
 * stands the least of each, which other work on the machine disturbs least.
 */
const RUNS = 9;
const NOTES = 10_000;
const TIMEOUT_MS = 60_000;
const MINIMAL = path.join(import.meta.dirname, "peers", "minimal-electron");
const PROBE = path.join(import.meta.dirname, "support", "startup-probe");

type Marks = Readonly<Record<string, number>>;

/** Starts `folder` once and gives the probe's marks as milliseconds since the spawn. */
const start = (folder: string, dataDirectory: string, display: string): Promise<Marks> =>
  new Promise((resolve, reject) => {
    const { executable, binding } = electronRuntime();
    const spawned = performance.timeOrigin + performance.now();
    const flags = process.getuid?.() === 0 ? ["--no-sandbox"] : [];
    const data = ["--data-dir", dataDirectory, `--user-data-dir=${dataDirectory}`];
    const child = spawn(executable, [...flags, PROBE, `--measured=${folder}`, ...data], {
      env: { ...process.env, DISPLAY: display, ...(binding === null ? {} : { P2PCOLLAB_SQLITE_BINDING: binding }) },
      stdio: ["ignore", "pipe", "ignore"],
    });
    const timer = setTimeout(() => child.kill("SIGKILL"), TIMEOUT_MS);
    let output = "";
    let marks: Marks | undefined;
    child.stdout.on("data", (chunk: Buffer) => {
      output += chunk.toString();
      const line = output.split("\n").find((text) => text.startsWith('{"mainStarted"') && text.endsWith("}"));
      if (line === undefined || marks !== undefined) return;
      const times = JSON.parse(line) as Marks;
      marks = Object.fromEntries(Object.entries(times).map(([name, at]) => [name, at - spawned]));
      child.kill("SIGTERM");
    });
    child.once("error", reject);
    child.once("exit", () => {
      clearTimeout(timer);
      if (marks === undefined) reject(new Error(`${folder} did not show an editor: ${output}`));
      else resolve(marks);
    });
  });

const prepare = async (notes: number): Promise<string> => {
  const folder = temporaryFolder(`startup-${notes}`);
  const node = await startHeadless(folder);
  await node.call("identity.create", { name: "Ann" });
  const notebook = (await node.call("notebooks.create", { title: "Bench" })).id;
  const last = await node.call("documents.create", { notebook, title: "Last", markdown: "The last note." });
  if (notes > 1) {
    const source = temporaryFolder("startup-source");
    for (let i = 0; i < notes - 1; i++) {
      const below = path.join(source, `folder ${i % 50}`);
      mkdirSync(below, { recursive: true });
      writeFileSync(
        path.join(below, `note ${i}.md`),
        `# Note ${i}\n\nSome words about number ${i}, and *more* of them.\n`,
      );
    }
    await node.call("import.markdown", { path: source, notebook });
    removeFolder(source);
  }
  await node.call("settings.set", { key: "window.lastNotebook", value: notebook });
  await node.call("settings.set", { key: "window.lastDocument", value: last.id });
  await node.stop();
  return folder;
};

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1] as number;

/** Median of each mark, whole milliseconds. */
const timeline = (runs: readonly Marks[]): Marks =>
  Object.fromEntries(
    Object.keys(runs[0] ?? {}).map((name) => [name, Math.round(median(runs.map((marks) => marks[name] as number)))]),
  );

/** `--notes N` for another size, `--runs N` for more runs. */
export const run = async ({ args }: { readonly json: boolean; readonly args: readonly string[] }): Promise<object> => {
  const numberAfter = (flag: string, fallback: number): number =>
    args.includes(flag) ? Number(args[args.indexOf(flag) + 1]) : fallback;
  const runs = numberAfter("--runs", RUNS);
  const notes = numberAfter("--notes", NOTES);
  electronRuntime();
  const display = await startDisplay();
  const folders = { one: await prepare(1), many: await prepare(notes), minimal: temporaryFolder("startup-minimal") };
  try {
    const samples = { minimal: [] as Marks[], one: [] as Marks[], many: [] as Marks[] };
    for (let i = 0; i < runs; i++) {
      samples.minimal.push(await start(MINIMAL, folders.minimal, display.name));
      samples.one.push(await start(ROOT, folders.one, display.name));
      samples.many.push(await start(ROOT, folders.many, display.name));
    }
    const painted = (of: readonly Marks[]): readonly number[] => of.map((marks) => marks["painted"] as number);
    const ratio = (of: readonly Marks[], pick: (values: readonly number[]) => number): number =>
      +(pick(painted(of)) / pick(painted(samples.minimal))).toFixed(2);
    const least = (values: readonly number[]): number => Math.min(...values);
    return {
      bench: "startup",
      runs,
      notes,
      minimalMs: timeline(samples.minimal),
      oneNoteMs: timeline(samples.one),
      manyNotesMs: timeline(samples.many),
      ratioOne: ratio(samples.one, median),
      ratioMany: ratio(samples.many, median),
      leastRatioOne: ratio(samples.one, least),
      leastRatioMany: ratio(samples.many, least),
      goalRatio: 1.27,
    };
  } finally {
    display.close();
    for (const folder of Object.values(folders)) removeFolder(folder);
  }
};
