import { protocol } from "electron";
import { Readable } from "node:stream";
import type { OpenFile } from "../../app/attachments/read-file.ts";
import type { ContractError } from "../../app/contract/errors.ts";
import type { Result } from "../../protocol/kernel/result.ts";
import { parseByteRange } from "./byte-range.ts";

/**
 * `p2pcollab-file://[<identity>.]<notebook>/<blob>`: attachments as pictures and media of the page. A scheme of its own keeps what other people
 * attached out of the page's origin: nothing served here can be a script, a style or a document of the app.
 */
export const BLOB_SCHEME = "p2pcollab-file";

/** Shown by Chromium itself; everything else is only bytes. */
const SHOWN = new Set([
  "image/png",
  "image/jpeg",
  "image/gif",
  "image/webp",
  "image/avif",
  "image/bmp",
  "image/x-icon",
  "image/svg+xml",
  "video/mp4",
  "video/webm",
  "video/ogg",
  "video/quicktime",
  "audio/mpeg",
  "audio/mp4",
  "audio/aac",
  "audio/ogg",
  "audio/wav",
  "audio/flac",
]);

const PDF = "application/pdf";
/** The page around Chromium's viewer: its one plug-in and its own style. A sandboxed document could not have the plug-in. */
const PDF_POLICY = "default-src 'none'; style-src 'unsafe-inline'; object-src 'self'";

/** A picture of SVG may style itself and do nothing else. */
const HEADERS = {
  "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox",
  "X-Content-Type-Options": "nosniff",
  "Cross-Origin-Resource-Policy": "cross-origin",
  "Referrer-Policy": "no-referrer",
  "Accept-Ranges": "bytes",
  // The bytes of an address never change; memory may keep them, the disk must not hold plaintext.
  "Cache-Control": "no-store",
};

type ReadAttachment = (
  identity: string | undefined,
  notebook: string,
  blob: string,
) => Promise<Result<OpenFile, ContractError>>;

export const isBlobUrl = (url: string): boolean => url.startsWith(`${BLOB_SCHEME}://`);

/** The next piece is opened only when the one before was taken: memory for one chunk whatever the size. */
const streamOf = (file: OpenFile, start: number, end: number): Readable => {
  const bytes = async function* () {
    for await (const piece of file.read(start, end)) {
      if (!piece.ok) throw new Error(piece.error.type);
      yield Buffer.from(piece.value.buffer, piece.value.byteOffset, piece.value.length);
    }
  };
  return Readable.from(bytes(), { highWaterMark: 1 });
};

const empty = (statusCode: number, headers: Readonly<Record<string, string>> = {}): Electron.ProtocolResponse => ({
  statusCode,
  headers: { ...HEADERS, ...headers },
  data: Readable.from([]),
});

const respond = async (
  read: ReadAttachment,
  { method, url, headers }: Electron.ProtocolRequest,
): Promise<Electron.ProtocolResponse> => {
  const { host, pathname } = new URL(url);
  const blob = pathname.slice(1);
  const [, identity, notebook] = /^(?:([0-9a-f]{16})\.)?([0-9a-f]{32})$/.exec(host) ?? [];
  if (method !== "GET" || notebook === undefined || !/^[0-9a-f]{64}$/.test(blob)) return empty(404);
  const opened = await read(identity, notebook, blob);
  if (!opened.ok) return empty(opened.error.type === "AttachmentMissing" ? 503 : 404);
  const file = opened.value;
  const range = parseByteRange(headers["Range"] ?? headers["range"] ?? null, file.size);
  if (range.type === "unsatisfiable") return empty(416, { "Content-Range": `bytes */${file.size}` });
  const { start, end } = range.type === "part" ? range : { start: 0, end: file.size };
  return {
    statusCode: range.type === "part" ? 206 : 200,
    headers: {
      ...HEADERS,
      "Content-Type": SHOWN.has(file.mime) || file.mime === PDF ? file.mime : "application/octet-stream",
      ...(file.mime === PDF ? { "Content-Security-Policy": PDF_POLICY } : {}),
      "Content-Length": String(end - start),
      ...(range.type === "part" ? { "Content-Range": `bytes ${start}-${end - 1}/${file.size}` } : {}),
    },
    data: streamOf(file, start, end),
  };
};

/**
 * Serves attachments in ranges; what is missing is fetched while it is read. Not `protocol.handle`, which would load the fetch API
 * into the main process at every start.
 */
export const serveBlobScheme = (read: ReadAttachment): void => {
  protocol.registerStreamProtocol(BLOB_SCHEME, (request, answer) => {
    void respond(read, request).then(answer, () => answer(empty(500)));
  });
};
