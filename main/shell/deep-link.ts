import { app } from "electron";

/** Our schemes; links are written with the first. */
const SCHEMES = ["p2pc", "p2pcollab"] as const;
/** As `invites.join` bounds it. */
const MAX_LINK = 2_000;

/** The link of ours among a command line's arguments, in the form the app writes links; undefined without one. */
export const linkIn = (argv: readonly string[]): string | undefined => {
  for (const argument of argv) {
    const scheme = SCHEMES.find((name) => argument.toLowerCase().startsWith(`${name}:`));
    if (scheme === undefined || argument.length > MAX_LINK) continue;
    return `${SCHEMES[0]}:${argument.slice(scheme.length + 1).replace(/^\/+/, "")}`;
  }
  return undefined;
};

export interface DeepLinks {
  /** Takes the link of a command line, if it has one; true when it had. */
  readonly offer: (argv: readonly string[]) => boolean;
  /** The last link offered, once. */
  readonly take: () => string | null;
}

/** Keeps the last link the system asked to open until the window takes it; `opened` says there is one. */
export const createDeepLinks = (opened: () => void): DeepLinks => {
  let waiting: string | null = null;
  const offer = (argv: readonly string[]): boolean => {
    const link = linkIn(argv);
    if (link === undefined) return false;
    waiting = link;
    opened();
    return true;
  };
  if (app.isPackaged) for (const scheme of SCHEMES) app.setAsDefaultProtocolClient(scheme);
  app.on("open-url", (event, url) => {
    event.preventDefault();
    offer([url]);
  });
  return {
    offer,
    take: () => {
      const link = waiting;
      waiting = null;
      return link;
    },
  };
};
