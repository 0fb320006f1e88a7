import { execFile } from "node:child_process";

/** A session bus that does not answer within this has nobody to show an icon. */
const ANSWER_MS = 2_000;
/** Owned by whatever shows icons by the StatusNotifierItem specification, which is all that current Linux desktops have. */
const WATCHER = "org.kde.StatusNotifierWatcher";
const BUS = ["org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus"] as const;

/** Ways to ask the session bus who owns the name; which of them is installed differs. */
const QUESTIONS: readonly (readonly [string, readonly string[]])[] = [
  [
    "gdbus",
    ["call", "--session", "--dest", BUS[0], "--object-path", BUS[1], "--method", `${BUS[2]}.NameHasOwner`, WATCHER],
  ],
  ["busctl", ["--user", "call", BUS[0], BUS[1], BUS[2], "NameHasOwner", "s", WATCHER]],
  [
    "dbus-send",
    ["--session", "--print-reply", `--dest=${BUS[0]}`, BUS[1], `${BUS[2]}.NameHasOwner`, `string:${WATCHER}`],
  ],
];

const ask = (program: string, args: readonly string[]): Promise<string | undefined> =>
  new Promise((resolve) => {
    execFile(program, [...args], { timeout: ANSWER_MS }, (error, stdout) =>
      resolve(error === null ? stdout : undefined),
    );
  });

/** Whether the desktop shows tray icons: always on Windows and macOS, on Linux where something says it does. */
export const findTrayHost = async (): Promise<boolean> => {
  if (process.platform !== "linux") return true;
  for (const [program, args] of QUESTIONS) {
    const answer = await ask(program, args);
    if (answer !== undefined) return answer.includes("true");
  }
  return false;
};
