import type { ContractError } from "../contract/errors.ts";
import { contractError } from "../contract/errors.ts";
import type { Handlers } from "../contract/handlers.ts";
import type { AppEvent } from "../contract/types.ts";
import type { Clock } from "../ports/clock.ts";
import type { FolderReader, FolderWriter } from "../ports/folder.ts";
import type { RepositoryService } from "../repositories/repository-service.ts";
import type { Result } from "../../protocol/kernel/result.ts";
import { err } from "../../protocol/kernel/result.ts";
import { folderFailure } from "./portability-service.ts";
import type { ExportedNotebook, ProfileExportDependencies } from "./profile-export.ts";
import type { ProfileImportDependencies } from "./profile-import.ts";

type Deps = Omit<ProfileExportDependencies & ProfileImportDependencies, "now" | "isCancelled" | "tell"> & {
  readonly clock: Clock;
  readonly folders: {
    readonly reader: (path: string) => FolderReader;
    readonly writer: (path: string) => FolderWriter;
  };
  readonly repositories: Pick<RepositoryService, "sealAll" | "byId" | "all" | "scheduleSeal">;
  readonly describe: (repository: ExportedNotebook["repository"]) => { readonly title: string; readonly role: string };
  readonly emit: (event: AppEvent) => void;
};

/** More often than this nobody looks. */
const PROGRESS_MS = 100;

interface ProfilePortability {
  readonly handlers: Pick<Handlers, "export.profile" | "export.verify" | "import.profile" | "export.cancel">;
  readonly stop: () => void;
}

/** Whole notebooks out of the profile and into it, one job at a time. What does the work is loaded when first asked for. */
export const createProfilePortability = (deps: Deps): ProfilePortability => {
  const { clock, folders, repositories, emit } = deps;
  let running: { cancelled: boolean } | undefined;

  const run = async <T>(
    work: (
      job: Pick<ProfileExportDependencies, "now" | "isCancelled" | "tell">,
    ) => Promise<Result<T, Parameters<typeof folderFailure>[0]>>,
  ): Promise<Result<T, ContractError>> => {
    if (running !== undefined) return err(contractError("ExportRunning"));
    const state = { cancelled: false };
    running = state;
    let toldAt = Number.NEGATIVE_INFINITY;
    try {
      const done = await work({
        now: () => clock.unix(),
        isCancelled: () => state.cancelled,
        tell: (at, total, current) => {
          if (clock.monotonic() < toldAt + PROGRESS_MS) return;
          toldAt = clock.monotonic();
          emit({ type: "profileProgress", done: at, total, current });
        },
      });
      return done.ok ? done : err(folderFailure(done.error));
    } finally {
      running = undefined;
    }
  };
  const stop = (): void => {
    if (running !== undefined) running.cancelled = true;
  };

  return {
    handlers: {
      "export.profile": ({ path, notebooks: ids }) =>
        run(async (job) => {
          const chosen = ids === undefined ? repositories.all() : ids.flatMap((id) => repositories.byId(id) ?? []);
          if (ids !== undefined && chosen.length < ids.length) return err(contractError("NotebookNotFound"));
          repositories.sealAll();
          const { exportProfile } = await import("./profile-export.ts");
          const notebooks = chosen.map((repository) => ({ repository, ...deps.describe(repository) }));
          const target = { writer: folders.writer(path), reader: folders.reader(path) };
          return exportProfile({ ...deps, ...job }, path, notebooks, target);
        }),
      "export.verify": ({ path }) =>
        run(async (job) => {
          const { verifyExport } = await import("./profile-export.ts");
          return verifyExport({ ...deps, ...job }, path, folders.reader(path));
        }),
      "import.profile": ({ path, history }) =>
        run(async (job) => {
          const { importProfile } = await import("./profile-import.ts");
          return importProfile({ ...deps, ...job }, folders.reader(path), history ?? true);
        }),
      "export.cancel": async () => {
        stop();
        return { ok: true, value: null };
      },
    },
    stop,
  };
};
