import { createHash } from "node:crypto";
import type { RandomSource } from "../../protocol/kernel/random.ts";
import { err, ok, type Result } from "../../protocol/kernel/result.ts";
import { openPostgresStore, type PostgresStore } from "./postgres/postgres-store.ts";
import type { ProxyError, ProxyHomes, Service } from "./proxy-home.ts";
import { createS3Chunks, type S3Settings } from "./s3-chunks.ts";

export interface SharedHomeSettings {
  /** `postgres://…`; a password may come from PGPASSWORD. */
  readonly database: string;
  readonly chunks: S3Settings;
}

const KEY_BYTES = 32;
const INCARNATION_BYTES = 16;
const STATIC_KEY = "static-key";
const SERVICE = "service";

const sha256 = (bytes: Uint8Array): Uint8Array => new Uint8Array(createHash("sha256").update(bytes).digest());

const readService = async (store: PostgresStore): Promise<Service | undefined> => {
  const value = await store.readValue(SERVICE);
  return value === undefined ? undefined : (JSON.parse(Buffer.from(value).toString("utf8")) as Service);
};

/** Everything in PostgreSQL and an S3-compatible store, for as many processes as serve the one address; none has anything of its own. */
export const sharedHomes = ({ database, chunks }: SharedHomeSettings): ProxyHomes => {
  const connect = async (events: Parameters<ProxyHomes["open"]>[1]): Promise<Result<PostgresStore, ProxyError>> => {
    const store = await openPostgresStore({ url: database, chunks: createS3Chunks(chunks), sha256, ...events });
    if (store.ok) return store;
    const { type, message } = store.error;
    return err({ type: type === "NewerSchema" ? "CorruptDatabase" : type, message });
  };
  return {
    open: async (random: RandomSource, events) => {
      const opened = await connect(events);
      if (!opened.ok) return opened;
      const store = opened.value;
      return ok({
        folder: null,
        privateKey: await store.value(STATIC_KEY, () => random.bytes(KEY_BYTES)),
        incarnation: await store.incarnation(() => random.bytes(INCARNATION_BYTES)),
        store,
        hasAccounts: async () => (await store.countAccounts()) > 0,
        setOwnerCode: store.setOwnerCode,
        service: await readService(store),
        publish: (service) => store.setValue(SERVICE, Buffer.from(JSON.stringify(service))),
        close: store.close,
      });
    },
    openDesk: async () => {
      const opened = await connect({ report: () => undefined, changed: () => undefined });
      if (!opened.ok) return opened;
      const { addCode, close } = opened.value;
      return ok({ service: await readService(opened.value), addCode, close });
    },
  };
};
