import path from "node:path";

/** Flags of the windowed app; Chromium's own flags are left to Chromium. */
export interface ShellArguments {
  /** Absolute path; `undefined` for the platform's usual place. */
  readonly dataDirectory: string | undefined;
}

/** Reads `--data-dir FOLDER` or `--data-dir=FOLDER`. */
export const parseShellArguments = (argv: readonly string[]): ShellArguments => {
  let dataDirectory: string | undefined;
  for (const [index, argument] of argv.entries()) {
    if (argument === "--data-dir") dataDirectory = argv[index + 1];
    else if (argument.startsWith("--data-dir=")) dataDirectory = argument.slice("--data-dir=".length);
  }
  return { dataDirectory: dataDirectory ? path.resolve(dataDirectory) : undefined };
};
