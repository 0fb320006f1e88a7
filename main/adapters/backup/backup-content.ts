import { decodeShape, encodeCbor } from "../../../protocol/codec/cbor.ts";
import { bytes, literal, tagged, text, tuple, uint } from "../../../protocol/codec/shape.ts";
import type { SealedReader, SealedWriter } from "./sealed-file.ts";

/*
 * What is inside the segments: parts one after the other, each a head (its length in 4 bytes, then CBOR) and the bytes it
 * announces. First what the backup is, then the keys, the database, the chunks of attachments, and an end with their number.
 */

const MAX_HEAD_BYTES = 65_536;
const MAX_NAME_BYTES = 800;
/** The vault's content: keys, a name and the device log. */
const MAX_SECRET_BYTES = 1_048_576;
const MAX_ROWS = 2 ** 48;

export interface About {
  readonly createdAt: number;
  readonly name: string;
  readonly idRoot: Uint8Array;
  readonly notebooks: number;
  readonly documents: number;
}

export type Part =
  | ({ readonly type: "about" } & About)
  | { readonly type: "keys"; readonly databaseKey: Uint8Array; readonly secret: Uint8Array }
  | { readonly type: "database"; readonly size: number }
  /** Ciphertext of a piece of an attachment: `repository` is the row of its notebook. */
  | { readonly type: "chunk"; readonly repository: number; readonly id: Uint8Array; readonly size: number }
  | { readonly type: "end"; readonly chunks: number };

type Head =
  | readonly [0, number, string, Uint8Array, number, number]
  | readonly [1, Uint8Array, number]
  | readonly [2, number]
  | readonly [3, number, Uint8Array, number]
  | readonly [4, number];
const headShape = tagged<Head>({
  0: tuple(literal(0), uint(), text(MAX_NAME_BYTES), bytes(32), uint(), uint()),
  1: tuple(literal(1), bytes(32), uint(MAX_SECRET_BYTES)),
  2: tuple(literal(2), uint()),
  3: tuple(literal(3), uint(MAX_ROWS), bytes(32), uint()),
  4: tuple(literal(4), uint()),
});

/** Writes a part's head; the bytes it announces follow. */
export const writeHead = (writer: SealedWriter, part: Exclude<Part, { readonly type: "keys" }>): void => {
  const head =
    part.type === "about"
      ? [0, part.createdAt, part.name, part.idRoot, part.notebooks, part.documents]
      : part.type === "database"
        ? [2, part.size]
        : part.type === "chunk"
          ? [3, part.repository, part.id, part.size]
          : [4, part.chunks];
  writeFramed(writer, encodeCbor(head));
};

export const writeKeys = (writer: SealedWriter, databaseKey: Uint8Array, secret: Uint8Array): void => {
  writeFramed(writer, encodeCbor([1, databaseKey, secret.length]));
  writer.write(secret);
};

const writeFramed = (writer: SealedWriter, head: Uint8Array): void => {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(head.length);
  writer.write(length);
  writer.write(head);
};

const takeAll = (reader: SealedReader, length: number): Buffer | undefined => {
  const taken: Buffer[] = [];
  return reader.take(length, (piece) => taken.push(piece)) ? Buffer.concat(taken) : undefined;
};

/** Reads the next part; the bytes of a database or chunk are then to be taken from the reader. `undefined` when damaged. */
export const readPart = (reader: SealedReader): Part | undefined => {
  const length = takeAll(reader, 4)?.readUInt32BE(0);
  if (length === undefined || length > MAX_HEAD_BYTES) return undefined;
  const encoded = takeAll(reader, length);
  const head = encoded === undefined ? undefined : decodeShape(headShape, new Uint8Array(encoded));
  if (head === undefined || !head.ok) return undefined;
  const { value } = head;
  switch (value[0]) {
    case 0: {
      const [, createdAt, name, idRoot, notebooks, documents] = value;
      return { type: "about", createdAt, name, idRoot, notebooks, documents };
    }
    case 1: {
      const secret = takeAll(reader, value[2]);
      return secret === undefined ? undefined : { type: "keys", databaseKey: value[1], secret: new Uint8Array(secret) };
    }
    case 2:
      return { type: "database", size: value[1] };
    case 3:
      return { type: "chunk", repository: value[1], id: value[2], size: value[3] };
    case 4:
      return { type: "end", chunks: value[1] };
  }
};
