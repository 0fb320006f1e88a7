import { app, protocol } from "electron";
import { readFile } from "node:fs/promises";
import path from "node:path";

const SCHEME = "app";
const HOST = "p2pcollab";
/** Where the window's own pages live; a scheme of our own has an origin, unlike file:. */
const ORIGIN = `${SCHEME}://${HOST}`;
export const START_PAGE = `${ORIGIN}/index.html`;

const TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".json": "application/json",
  ".svg": "image/svg+xml",
  ".png": "image/png",
  ".woff2": "font/woff2",
  ".wasm": "application/wasm",
};

/** Nothing is loaded from elsewhere; pasted and imported pictures are data: or blob:. */
const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data: blob:",
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
export const declareAppScheme = (): void => {
  protocol.registerSchemesAsPrivileged([
    { scheme: SCHEME, privileges: { standard: true, secure: true, supportFetchAPI: true, codeCache: true } },
  ]);
};

const fileWithin = (folder: string, urlPath: string): string | undefined => {
  const file = path.resolve(folder, `.${path.posix.normalize(decodeURIComponent(urlPath))}`);
  return file.startsWith(folder + path.sep) ? file : undefined;
};

/** Serves the files of `folder`, and nothing else, under our scheme. */
export const serveAppScheme = (folder: string): void => {
  protocol.handle(SCHEME, async (request) => {
    const refused = new Response("not found", { status: 404, headers: HEADERS });
    if (request.method !== "GET" || !isOwnUrl(request.url)) return refused;
    const file = fileWithin(folder, new URL(request.url).pathname);
    if (file === undefined) return refused;
    try {
      const content = await readFile(file);
      const type = TYPES[path.extname(file)] ?? "application/octet-stream";
      return new Response(new Uint8Array(content), { headers: { ...HEADERS, "Content-Type": type } });
    } catch {
      return refused;
    }
  });
};
