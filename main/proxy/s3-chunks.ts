import { AwsClient } from "aws4fetch";
import { bytesToHex } from "../../protocol/kernel/bytes.ts";
import { err, ok, type Result } from "../../protocol/kernel/result.ts";
import type { ChunkStore, ChunkStoreFault } from "./chunk-store.ts";

export interface S3Settings {
  /** `https://host[:port]/bucket[/prefix]`, path style, which every S3-compatible store understands. */
  readonly url: string;
  readonly region: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

/** A chunk is 256 KiB; a store that needs longer for one is down. */
const TIMEOUT_MS = 20_000;
/** A request is tried once more after errors that pass: 5xx, 429 and a lost connection. */
const RETRIES = 2;

/** Chunks as objects of an S3-compatible store, signed with AWS Signature Version 4 and named by their hash in hex. */
export const createS3Chunks = ({ url, region, accessKeyId, secretAccessKey }: S3Settings): ChunkStore => {
  const aws = new AwsClient({ accessKeyId, secretAccessKey, region, service: "s3", retries: RETRIES });
  const base = url.replace(/\/+$/, "");

  const request = async <T>(
    method: "PUT" | "GET" | "DELETE",
    id: Uint8Array,
    body: Uint8Array | null,
    take: (response: Response) => Promise<T | undefined>,
  ): Promise<Result<T, ChunkStoreFault>> => {
    try {
      const response = await aws.fetch(`${base}/${bytesToHex(id)}`, {
        method,
        ...(body === null ? {} : { body: new Uint8Array(body) }),
        // A chunk's name is its hash: the store checks what arrives.
        headers: body === null ? {} : { "x-amz-content-sha256": bytesToHex(id) },
        signal: AbortSignal.timeout(TIMEOUT_MS),
      });
      const taken = await take(response);
      if (taken !== undefined) return ok(taken);
      const code = /<Code>(\w+)<\/Code>/.exec(await response.text())?.[1] ?? "no code";
      return err({ type: "ChunkStoreFailed", message: `${method} answered ${response.status} (${code})` });
    } catch (cause) {
      const { message, cause: deeper } = cause as Error;
      const reason = deeper instanceof Error ? `: ${deeper.message}` : "";
      return err({ type: "ChunkStoreFailed", message: `${method} failed: ${message}${reason}` });
    }
  };
  /** Reads the body, so that the connection can be used again. */
  const done = async (response: Response): Promise<null | undefined> => {
    if (!response.ok) return undefined;
    await response.arrayBuffer();
    return null;
  };

  return {
    put: (id, bytes) => request("PUT", id, bytes, done),
    get: (id) =>
      request<{ readonly bytes: Uint8Array | null }>("GET", id, null, async (response) => {
        if (response.status === 404) {
          await response.arrayBuffer();
          return { bytes: null };
        }
        return response.ok ? { bytes: new Uint8Array(await response.arrayBuffer()) } : undefined;
      }).then((result) => (result.ok ? ok(result.value.bytes) : result)),
    remove: (id) =>
      request("DELETE", id, null, async (response) => (response.status === 404 ? null : await done(response))),
  };
};
