import path from "node:path";
import { createFileVault } from "../../main/adapters/file-vault.ts";
import type { SqliteDatabase } from "../../main/adapters/sqlite/database.ts";
import { openWriter } from "../../main/adapters/sqlite/database.ts";
import { MIGRATIONS } from "../../main/adapters/sqlite/schema.ts";

/** Opens the database of a stopped headless node, with the key its vault derives. */
export const openProfileDatabase = async (dataDirectory: string): Promise<SqliteDatabase> => {
  const vault = createFileVault(path.join(dataDirectory, "vault.json"));
  const unlocked = await vault.unlock();
  const key = vault.deriveKey("p2pc/database/1");
  if (!unlocked.ok || !key.ok) throw new Error("the vault does not open");
  const database = openWriter(path.join(dataDirectory, "profile.db"), key.value, MIGRATIONS, false);
  if (!database.ok) throw new Error(`${database.error.type}: ${database.error.message}`);
  return database.value;
};
