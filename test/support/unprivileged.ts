import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import type { ElectronRuntime } from "./electron-runtime.ts";
import { ROOT } from "./electron-runtime.ts";

/** `nobody` on every Linux. */
const UNPRIVILEGED_ID = 65_534;

export interface UnprivilegedSetup {
  /** Program to give to `launchApp` as `executable`. */
  readonly executable: string;
  readonly folder: string;
  readonly dataDirectory: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly dispose: () => void;
}

/**
 * Lets root start the app as an ordinary user: in a mount namespace of its own the app and the runtime appear in a
 * folder that user may read, wherever they really are.
 */
export const createUnprivilegedSetup = (runtime: ElectronRuntime): UnprivilegedSetup => {
  const base = mkdtempSync(path.join(os.tmpdir(), "p2pcollab-user-"));
  chmodSync(base, 0o755);
  const at = (name: string): string => path.join(base, name);
  for (const name of ["app", "dist", "binding"]) mkdirSync(at(name));
  for (const name of ["home", "data"]) {
    mkdirSync(at(name));
    chmodSync(at(name), 0o777);
  }
  const bindingFolder = path.dirname(runtime.binding ?? runtime.executable);
  const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;
  const binds = [
    [ROOT, at("app")],
    [runtime.dist, at("dist")],
    [bindingFolder, at("binding")],
  ].map(([from, to]) => `mount --bind ${quoted(from ?? "")} ${quoted(to ?? "")}`);
  const executable = path.join(at("dist"), path.relative(runtime.dist, runtime.executable));
  writeFileSync(
    at("inside.sh"),
    [
      "#!/bin/sh",
      "set -e",
      ...binds,
      `exec setpriv --reuid ${UNPRIVILEGED_ID} --regid ${UNPRIVILEGED_ID} --clear-groups ${quoted(executable)} "$@"`,
      "",
    ].join("\n"),
  );
  writeFileSync(
    at("start.sh"),
    `#!/bin/sh\nexec unshare --mount --propagation private sh ${quoted(at("inside.sh"))} "$@"\n`,
  );
  chmodSync(at("start.sh"), 0o755);
  return {
    executable: at("start.sh"),
    folder: at("app"),
    dataDirectory: at("data"),
    environment: {
      HOME: at("home"),
      ...(runtime.binding === null
        ? {}
        : { P2PCOLLAB_SQLITE_BINDING: path.join(at("binding"), path.basename(runtime.binding)) }),
    },
    dispose: () => {
      rmSync(base, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
    },
  };
};
