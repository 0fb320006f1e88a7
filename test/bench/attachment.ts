import { carryFile } from "../support/large-file.ts";
import { removeFolder, temporaryFolder } from "../support/headless-node.ts";
import { startNodePair } from "../support/node-pair.ts";

/**
 * Files of growing size between two real nodes: attached, read in a range before they have come, fetched, saved and compared.
 * The peak memory of both must not follow the size.
 */
const SIZE_MB = 500;
/** A file this small is the measure for the others. */
const SMALL_MB = 20;

/** `--size N` for another largest size, in MB. */
export const run = async ({ args }: { readonly json: boolean; readonly args: readonly string[] }): Promise<object> => {
  const size = args.includes("--size") ? Number(args[args.indexOf("--size") + 1]) : SIZE_MB;
  const folder = temporaryFolder("attachment");
  const pair = await startNodePair();
  try {
    // The first file is for the engine's code and buffers; what it takes every later one does.
    await carryFile(pair, folder, SMALL_MB);
    const small = await carryFile(pair, folder, SMALL_MB);
    const large = await carryFile(pair, folder, size);
    return {
      bench: "attachment",
      small,
      large,
      growthMB: {
        sender: large.senderPeakMB - small.senderPeakMB,
        receiver: large.receiverPeakMB - small.receiverPeakMB,
      },
    };
  } finally {
    await pair.dispose();
    removeFolder(folder);
  }
};
