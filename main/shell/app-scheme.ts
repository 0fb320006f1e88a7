import { app, protocol } from "electron";
import path from "node:path";
import { BLOB_SCHEME } from "./blob-scheme.ts";

const SCHEME = "app";
const HOST = "p2pcollab";
/** Where the window's own pages live; a scheme of our own has an origin, unlike file:. */
const ORIGIN = `${SCHEME}://${HOST}`;
export const START_PAGE = `${ORIGIN}/index.html`;

/** Nothing is loaded from elsewhere; pictures are data: or blob:, attachments have their own scheme, shown and never run. */
const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  `img-src 'self' data: blob: ${BLOB_SCHEME}:`,
  `media-src ${BLOB_SCHEME}:`,
  "font-src 'self'",
  "connect-src 'self'",
  "worker-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");

const HEADERS = {
  "Content-Security-Policy": CONTENT_SECURITY_POLICY,
  "X-Content-Type-Options": "nosniff",
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Resource-Policy": "same-origin",
  "Referrer-Policy": "no-referrer",
};

/** Address of electron-vite's development server; only in an unpackaged app that was started by it. */
const developmentUrl = (): string | undefined => (app.isPackaged ? undefined : process.env["ELECTRON_RENDERER_URL"]);

/** The page to load. */
export const startUrl = (): string => developmentUrl() ?? START_PAGE;

/** True for addresses of our own pages. */
export const isOwnUrl = (url: string): boolean => {
  if (!URL.canParse(url)) return false;
  const parsed = new URL(url);
  if (parsed.protocol === `${SCHEME}:` && parsed.host === HOST) return true;
  const development = developmentUrl();
  return development !== undefined && parsed.origin === new URL(development).origin;
};

/** Must run before the app is ready. */
export const declareSchemes = (): void => {
  protocol.registerSchemesAsPrivileged([
    { scheme: SCHEME, privileges: { standard: true, secure: true, supportFetchAPI: true, codeCache: true } },
    { scheme: BLOB_SCHEME, privileges: { standard: true, secure: true, stream: true } },
  ]);
};

const fileWithin = (folder: string, urlPath: string): string | undefined => {
  let decoded: string;
  try {
    decoded = decodeURIComponent(urlPath);
  } catch {
    return undefined;
  }
  const file = path.resolve(folder, `.${path.posix.normalize(decoded)}`);
  return file.startsWith(folder + path.sep) ? file : undefined;
};

/** net::ERR_FILE_NOT_FOUND of Chromium's net_error_list.h. */
const NOT_FOUND = { error: -6 };

/**
 * Serves the files of `folder`, and nothing else, under our scheme. The handler only names files, Chromium reads them:
 * `protocol.handle` would load the fetch API into the main process, 100 ms in the middle of every start.
 */
export const serveAppScheme = (folder: string): void => {
  protocol.registerFileProtocol(SCHEME, ({ method, url }, answer) => {
    const file = method === "GET" && isOwnUrl(url) ? fileWithin(folder, new URL(url).pathname) : undefined;
    answer(file === undefined ? NOT_FOUND : { path: file, headers: HEADERS });
  });
};
