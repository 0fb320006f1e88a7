import { execFile, execFileSync, spawn } from "node:child_process";
import { chmodSync, chownSync, existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";

const execute = promisify(execFile);
const DEBIAN = "/usr/lib/postgresql";

/** A PostgreSQL cluster of its own in a temporary folder, reached over a Unix socket only. */
export interface PostgresCluster {
  /** The address of a new, empty database. */
  readonly createDatabase: () => Promise<string>;
  /** Ends all sessions with a database, as a failing network would. */
  readonly cutConnections: (url: string) => Promise<void>;
  readonly stop: () => Promise<void>;
}

const binaries = (): string => {
  const versions = existsSync(DEBIAN) ? readdirSync(DEBIAN).toSorted((a, b) => Number(b) - Number(a)) : [];
  const version = versions.find((name) => existsSync(path.join(DEBIAN, name, "bin", "initdb")));
  if (version === undefined) throw new Error("PostgreSQL is not installed: Debian package postgresql");
  return path.join(DEBIAN, version, "bin");
};

/** The server refuses to run as root. */
const asPostgres = (): { readonly uid: number; readonly gid: number } | object => {
  if (process.getuid?.() !== 0) return {};
  const id = (flag: string) => Number(execFileSync("id", [flag, "postgres"], { encoding: "utf8" }));
  return { uid: id("-u"), gid: id("-g") };
};

/** Starts a cluster; settings are those of a production server but for `fsync`, as only processes are killed here. */
export const startPostgres = async (): Promise<PostgresCluster> => {
  const bin = binaries();
  const user = asPostgres();
  const folder = mkdtempSync(path.join(tmpdir(), "p2pcollab-postgres-"));
  chmodSync(folder, 0o755);
  if ("uid" in user) chownSync(folder, user.uid, user.gid);
  const data = path.join(folder, "data");
  const options = { ...user, cwd: folder };
  await execute(
    path.join(bin, "initdb"),
    ["-D", data, "-A", "trust", "-U", "p2pcollab", "-E", "UTF8", "--no-sync"],
    options,
  );
  const settings = ["listen_addresses=", `unix_socket_directories=${folder}`, "fsync=off", "max_connections=40"];
  const server = spawn(path.join(bin, "postgres"), ["-D", data, ...settings.flatMap((each) => ["-c", each])], {
    ...options,
    stdio: ["ignore", "ignore", "pipe"],
  });
  let log = "";
  server.stderr.on("data", (chunk: Buffer) => (log += chunk.toString()));
  await new Promise<void>((resolve, reject) => {
    server.stderr.on("data", () => log.includes("ready to accept connections") && resolve());
    server.once("exit", () => reject(new Error(`PostgreSQL did not start: ${log}`)));
  });
  const sql = async (command: string): Promise<void> => {
    await execute(path.join(bin, "psql"), ["-h", folder, "-U", "p2pcollab", "-d", "postgres", "-c", command], options);
  };
  await sql("CREATE ROLE proxy LOGIN");
  let count = 0;
  return {
    createDatabase: async () => {
      const name = `test_${++count}`;
      await sql(`CREATE DATABASE ${name} OWNER proxy`);
      return `postgres://proxy@/${name}?host=${encodeURIComponent(folder)}`;
    },
    cutConnections: async (url) => {
      const name = /@\/(\w+)/.exec(url)?.[1] ?? "";
      await sql(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '${name}'`);
    },
    stop: async () => {
      const ended = new Promise((resolve) => server.once("exit", resolve));
      server.kill("SIGINT");
      await ended;
      rmSync(folder, { recursive: true, force: true });
    },
  };
};
