import { createHash, randomBytes } from "node:crypto";
import {
  closeSync,
  createReadStream,
  openSync,
  readFileSync,
  readSync,
  rmSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import path from "node:path";
import { eventually, type HeadlessNode } from "./headless-node.ts";
import type { NodePair } from "./node-pair.ts";

/** What carrying one file took: megabytes a second for each part of the way, and the peak memory of both nodes. */
export interface CarriedFile {
  readonly megabytes: number;
  readonly attachedMBps: number;
  readonly fetchedMBps: number;
  readonly savedMBps: number;
  readonly senderPeakMB: number;
  readonly receiverPeakMB: number;
}

const MEGABYTE = 1_048_576;
const RANGE_BYTES = 300_000;

/** Peak resident memory since `forgetPeak`, in MB (Linux keeps it as VmHWM). */
const peakOf = ({ child }: HeadlessNode): number =>
  Math.round(Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${child.pid}/status`, "utf8"))?.[1]) / 1_024);
/** 5 resets VmHWM (proc(5)). */
const forgetPeak = ({ child }: HeadlessNode): void => writeFileSync(`/proc/${child.pid}/clear_refs`, "5");

const sha256 = (file: string): Promise<string> =>
  new Promise((resolve, reject) => {
    const hash = createHash("sha256");
    createReadStream(file)
      .on("data", (chunk) => hash.update(chunk))
      .on("end", () => resolve(hash.digest("hex")))
      .on("error", reject);
  });

const writeRandom = (file: string, megabytes: number): void => {
  const handle = openSync(file, "w");
  for (let written = 0; written < megabytes; written++) writeSync(handle, randomBytes(MEGABYTE));
  closeSync(handle);
};

const readPart = (file: string, start: number): Buffer => {
  const part = Buffer.alloc(RANGE_BYTES);
  const handle = openSync(file, "r");
  readSync(handle, part, 0, RANGE_BYTES, start);
  closeSync(handle);
  return part;
};

/** A file of random bytes is attached at the left node, read in a range at the right one before it has come, fetched, saved and compared. */
export const carryFile = async (
  { left, right, notebook }: NodePair,
  folder: string,
  megabytes: number,
): Promise<CarriedFile> => {
  const source = path.join(folder, `source-${megabytes}.bin`);
  const target = path.join(folder, `target-${megabytes}.bin`);
  writeRandom(source, megabytes);
  const document = (await left.call("documents.create", { notebook, title: `File of ${megabytes} MB` })).id;
  for (const node of [left, right]) forgetPeak(node);
  const rate = (milliseconds: number): number => Math.round((megabytes * 1_000) / milliseconds);
  let at = performance.now();
  const passed = (): number => {
    const before = at;
    at = performance.now();
    return at - before;
  };
  const { blob } = await left.call("attachments.add", { document, path: source });
  const attachedMBps = rate(passed());
  const held = await eventually(
    async () => {
      try {
        return (await right.call("attachments.list", { document }))[0]?.held;
      } catch {
        // The note itself has not come yet.
        return undefined;
      }
    },
    "the note at the other side",
    60_000,
  );
  const start = megabytes * MEGABYTE - RANGE_BYTES - 12_345;
  const piece = await right.call("attachments.read", { document, blob, start, length: RANGE_BYTES });
  const isRight = Buffer.compare(piece.bytes, readPart(source, start)) === 0;
  if (!isRight || held > RANGE_BYTES)
    throw new Error("the range is not what the file has, or the file was there before");
  passed();
  await right.call("attachments.fetch", { document, blob });
  await eventually(
    async () => (await right.call("attachments.list", { document }))[0]?.state === "present",
    "the file at the other side",
    60_000 + megabytes * 1_000,
    100,
  );
  const fetchedMBps = rate(passed());
  await right.call("attachments.save", { document, blob, path: target });
  const savedMBps = rate(passed());
  const [senderPeakMB, receiverPeakMB] = [peakOf(left), peakOf(right)];
  if ((await sha256(target)) !== (await sha256(source))) throw new Error("the file has changed on its way");
  for (const file of [source, target]) rmSync(file);
  return { megabytes, attachedMBps, fetchedMBps, savedMBps, senderPeakMB, receiverPeakMB };
};
