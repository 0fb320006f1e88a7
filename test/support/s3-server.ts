import S3rver from "@20minutes/s3rver";
import { rmSync } from "node:fs";
import type { AddressInfo } from "node:net";
import path from "node:path";
import type { S3Settings } from "../../main/proxy/s3-chunks.ts";
import { temporaryFolder } from "./headless-node.ts";

/** An S3-compatible server that checks signatures and hashes, with one bucket in a temporary folder. */
export interface S3Server {
  readonly settings: S3Settings;
  /** Ends the server for a while; requests are refused meanwhile. */
  readonly stop: () => Promise<void>;
  /** Where the objects are files. */
  readonly folder: string;
}

const BUCKET = "chunks";

export const startS3 = async (): Promise<S3Server> => {
  const folder = temporaryFolder("s3");
  const server = new S3rver({
    address: "127.0.0.1",
    port: 0,
    silent: true,
    directory: folder,
    configureBuckets: [{ name: BUCKET, configs: [] }],
  });
  const { port } = (await server.run()) as AddressInfo;
  return {
    settings: {
      url: `http://127.0.0.1:${port}/${BUCKET}`,
      region: "us-east-1",
      accessKeyId: "S3RVER",
      secretAccessKey: "S3RVER",
    },
    folder: path.join(folder, BUCKET),
    stop: async () => {
      await server.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
};
