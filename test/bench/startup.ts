import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { startDisplay } from "../support/display.ts";
import { electronRuntime } from "../support/electron-runtime.ts";
import { removeFolder, startHeadless, temporaryFolder } from "../support/headless-node.ts";
import { launchApp } from "../support/launch-app.ts";

/**
 * Spawn to a note that can be typed into, warm page cache: with one note and with many, beside a window that holds nothing
 * but an editable paragraph. All are started by the same Playwright launcher, whose own cost is in every figure.
 */
const RUNS = 5;
const NOTES = 10_000;
const MINIMAL = path.join(import.meta.dirname, "peers", "minimal-electron");

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

/** `--notes N` for another size, `--runs N` for more runs. */
export const run = async ({ args }: { readonly json: boolean; readonly args: readonly string[] }): Promise<object> => {
  const numberAfter = (flag: string, fallback: number): number =>
    args.includes(flag) ? Number(args[args.indexOf(flag) + 1]) : fallback;
  const runs = numberAfter("--runs", RUNS);
  const notes = numberAfter("--notes", NOTES);
  const runtime = electronRuntime();
  const display = await startDisplay();
  const folders = { one: await prepare(1), many: await prepare(notes), minimal: temporaryFolder("startup-minimal") };
  const sandbox = process.getuid?.() !== 0;
  const once = async (dataDirectory: string, folder?: string): Promise<number> => {
    const start = performance.now();
    const app = await launchApp({
      runtime,
      dataDirectory,
      display: display.name,
      sandbox,
      ...(folder === undefined ? {} : { folder }),
    });
    await app.page.waitForSelector('.ProseMirror[contenteditable="true"]', { timeout: 60_000 });
    const elapsed = performance.now() - start;
    await app.application.close();
    return elapsed;
  };
  try {
    const samples = { minimal: [] as number[], one: [] as number[], many: [] as number[] };
    for (let i = 0; i < runs; i++) {
      samples.minimal.push(await once(folders.minimal, MINIMAL));
      samples.one.push(await once(folders.one));
      samples.many.push(await once(folders.many));
    }
    const [minimal, one, many] = [median(samples.minimal), median(samples.one), median(samples.many)];
    return {
      bench: "startup",
      runs,
      minimalElectronMs: Math.round(minimal),
      oneNoteMs: Math.round(one),
      notes,
      manyNotesMs: Math.round(many),
      ratioOne: +(one / minimal).toFixed(2),
      ratioMany: +(many / minimal).toFixed(2),
      goalRatio: 1.27,
    };
  } finally {
    display.close();
    for (const folder of Object.values(folders)) removeFolder(folder);
  }
};
