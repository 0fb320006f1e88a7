import { expect, test } from "vitest";
import type { ContractError } from "../../app/contract/errors.ts";
import { createPortability } from "../../app/portability/portability-service.ts";
import type { FolderError } from "../../app/ports/folder.ts";
import type { Repository } from "../../app/repositories/repository.ts";
import { createSeededRandom } from "../support/seeded-random.ts";

type Dependencies = Parameters<typeof createPortability>[0];

/** An import whose folder answers with a fault; nothing else of the node is reached. */
const importFrom = async (fault: FolderError): Promise<ContractError> => {
  const folders = { reader: () => ({ list: async () => ({ ok: false, error: fault }) }) };
  const portability = createPortability({
    folders,
    random: createSeededRandom("portability"),
    clock: { unix: () => 0 },
  } as unknown as Dependencies);
  const report = await portability.importMarkdown({ id: "00" } as Repository, "/notes");
  if (report.ok) throw new Error("the import must fail");
  return report.error;
};

test("every fault of a folder reaches people as a sentence", async () => {
  const faults: readonly FolderError[] = [
    { type: "FolderNotFound" },
    { type: "Unreadable", reason: "EACCES" },
    { type: "TooLarge", bytes: 1 },
    { type: "TooManyFiles", limit: 20_000 },
    { type: "FolderNotEmpty" },
    { type: "CannotWrite", reason: "EROFS" },
    { type: "DiskFull" },
  ];
  for (const fault of faults) {
    const error = await importFrom(fault);
    expect(error.message, fault.type).toMatch(/^[A-Z].*\.$/);
    expect(Object.keys(error).toSorted()).toEqual(["message", "type"]);
  }
  expect((await importFrom({ type: "TooManyFiles", limit: 20_000 })).message).toContain("20000");
});
