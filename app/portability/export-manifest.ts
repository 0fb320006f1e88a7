import type { Decoder } from "../contract/decode.ts";
import { array, hexOf, integer, object, oneOf, text } from "../contract/decode.ts";
import type { FolderError, FolderReader, FolderWriter } from "../ports/folder.ts";
import { encodeUtf8, decodeUtf8 } from "../../protocol/codec/utf8.ts";
import type { CryptoProvider } from "../../protocol/crypto/provider.ts";
import { bytesToHex } from "../../protocol/kernel/bytes.ts";
import type { Result } from "../../protocol/kernel/result.ts";
import { err, ok } from "../../protocol/kernel/result.ts";

/** A file of an export, relative to its root. */
export interface ManifestFile {
  readonly path: string;
  readonly bytes: number;
  /** Of its content, hex. */
  readonly sha256: string;
}

/** What an export says it consists of; written last, so that an export without one is not complete. */
export interface ExportManifest {
  readonly format: "p2pcollab-profile";
  readonly version: 1;
  /** Unix milliseconds. */
  readonly createdAt: number;
  readonly name: string;
  readonly identity: string;
  /** `folder`: relative to the root. */
  readonly notebooks: readonly { readonly id: string; readonly title: string; readonly folder: string }[];
  readonly files: readonly ManifestFile[];
}

export const MANIFEST = "manifest.json";
const MAX_MANIFEST_BYTES = 134_217_728;
const MAX_FILES = 1_000_000;
const MAX_NOTEBOOKS = 10_000;
const PIECE_BYTES = 1_048_576;
const path = text(1, 4_096);
const version: Decoder<1> = (value, at = "") =>
  value === 1 ? ok(1 as const) : err({ path: at, expected: "version 1" });
const manifest: Decoder<ExportManifest> = object({
  format: oneOf("p2pcollab-profile"),
  version,
  createdAt: integer(0, Number.MAX_SAFE_INTEGER),
  name: text(0, 800),
  identity: hexOf(32),
  notebooks: array(object({ id: hexOf(16), title: text(0, 1_000), folder: path }), MAX_NOTEBOOKS),
  files: array(object({ path, bytes: integer(0, Number.MAX_SAFE_INTEGER), sha256: hexOf(32) }), MAX_FILES),
});

/** Writes below `prefix` of another writer and notes every file in `files`. */
export const recordingWriter = (
  writer: FolderWriter,
  crypto: CryptoProvider,
  prefix: string,
  files: ManifestFile[],
): FolderWriter => ({
  open: async () => ok(undefined),
  write: async (file, bytes) => {
    const written = await writer.write(prefix + file, bytes);
    if (written.ok)
      files.push({
        path: prefix + file,
        bytes: bytes.length,
        sha256: bytesToHex(crypto.hash("SHA256", bytes)),
      });
    return written;
  },
  create: async (file) => {
    const created = await writer.create(prefix + file);
    if (!created.ok) return created;
    const { write, finish, abandon } = created.value;
    const hash = crypto.hasher("SHA256");
    let length = 0;
    return ok({
      write: (bytes) => {
        hash.update(bytes);
        length += bytes.length;
        return write(bytes);
      },
      finish: async () => {
        const finished = await finish();
        if (finished.ok) files.push({ path: prefix + file, bytes: length, sha256: bytesToHex(hash.digest()) });
        return finished;
      },
      abandon,
    });
  },
});

export const encodeManifest = (value: ExportManifest): Uint8Array => encodeUtf8(`${JSON.stringify(value, null, 1)}\n`);

/** The manifest of an exported folder; `undefined` when there is none that can be read. */
export const readManifest = async (reader: FolderReader): Promise<Result<ExportManifest | undefined, FolderError>> => {
  const read = await reader.read(MANIFEST, MAX_MANIFEST_BYTES);
  if (!read.ok) return read.error.type === "Unreadable" || read.error.type === "TooLarge" ? ok(undefined) : read;
  const decoded = manifest(parseJson(decodeUtf8(read.value)));
  return ok(decoded.ok ? decoded.value : undefined);
};

/** `undefined` for anything that is no JSON. */
export const parseJson = (source: string | undefined): unknown => {
  try {
    return source === undefined ? undefined : JSON.parse(source);
  } catch {
    return undefined;
  }
};

/** Whether a file of the folder is as the manifest says. */
export const checkFile = async (reader: FolderReader, crypto: CryptoProvider, file: ManifestFile): Promise<boolean> => {
  const opened = await reader.open(file.path);
  if (!opened.ok) return false;
  const source = opened.value;
  try {
    if (source.bytes !== file.bytes) return false;
    const hash = crypto.hasher("SHA256");
    for (let at = 0; at < file.bytes; at += PIECE_BYTES) {
      const piece = await source.read(at, Math.min(PIECE_BYTES, file.bytes - at));
      if (!piece.ok) return false;
      hash.update(piece.value);
    }
    return bytesToHex(hash.digest()) === file.sha256;
  } finally {
    await source.close();
  }
};
