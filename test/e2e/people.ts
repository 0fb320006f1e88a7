import { expect, test } from "@playwright/test";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { electronRuntime } from "../support/electron-runtime.ts";
import type { Network } from "../support/netns.ts";
import { withNetwork } from "../support/netns.ts";
import { SCREENSHOTS, isRoot } from "./fixtures.ts";
import type { RemoteApp } from "./remote-app.ts";
import { startRemoteApp } from "./remote-app.ts";

export const EDITOR = ".ProseMirror";
const PASSPHRASE = "seven quiet herons over the marsh";

/** Somebody at a computer of the test network. */
export interface Person {
  readonly name: string;
  readonly app: RemoteApp;
  /** Keeps a picture of the window. */
  readonly keep: (station: string) => Promise<void>;
}

/** A value of the contract, asked through the page's own door. */
export const ask = async <T>({ app }: Person, name: string, input?: unknown): Promise<T> => {
  const answer = await app.invoke<
    { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: unknown }
  >(name, input);
  if (!answer.ok) throw new Error(`${name}: ${JSON.stringify(answer.error)}`);
  return answer.value;
};

/** Waits until the contract's answer satisfies `holds`. */
export const answers = async <T>(
  person: Person,
  name: string,
  input: unknown,
  holds: (value: T) => boolean,
  timeoutMs = 60_000,
): Promise<void> => {
  await expect
    .poll(async () => holds(await ask<T>(person, name, input)), {
      timeout: timeoutMs,
      message: `${person.name}: ${name}`,
    })
    .toBe(true);
};

/** Makes an identity through the contract, for journeys that are not about the first run; its 24 words. */
export const settleIn = async (person: Person, name = person.name): Promise<readonly string[]> => {
  await person.app.waitFor('role=button[name="Get started"]');
  const { phrase } = await ask<{ readonly phrase: readonly string[] }>(person, "identity.create", {
    name,
    passphrase: PASSPHRASE,
  });
  await person.app.reload();
  await person.app.waitFor('role=heading[name="Start with a notebook"]');
  return phrase;
};

/** Fills the fields for a passphrase of this install. */
export const choosePassphrase = async ({ app }: Person): Promise<void> => {
  await app.fill("input[type=password] >> nth=0", PASSPHRASE);
  await app.fill("input[type=password] >> nth=1", PASSPHRASE);
};

/** Opens the app again as somebody who comes back to it: with the passphrase. */
export const comeBack = async ({ app }: Person): Promise<void> => {
  await app.launchAgain();
  await app.fill("input[type=password]", PASSPHRASE);
  await app.click('role=button[name="Unlock"]');
};

/**
 * Starts one app on a host of its own for each name, and ends them whatever happens. Pictures are named after `journey`.
 * `machines`: further hosts, without an app.
 */
export const withPeople = async (
  journey: string,
  names: readonly string[],
  work: (network: Network, people: readonly Person[]) => Promise<void>,
  machines: readonly string[] = [],
  segmentOf?: (host: string) => number,
): Promise<void> => {
  const runtime = electronRuntime();
  const folder = mkdtempSync(path.join(os.tmpdir(), `p2pcollab-${journey}-`));
  mkdirSync(SCREENSHOTS, { recursive: true });
  try {
    await withNetwork(
      [...names.map((name) => name.toLowerCase()), ...machines],
      async (network) => {
        const people = names.map((name): Person => {
          const app = startRemoteApp(network.host(name.toLowerCase()));
          return {
            name,
            app,
            keep: (station) =>
              app.screenshot(path.join(SCREENSHOTS, `${journey}-${station}-${name.toLowerCase()}.png`)),
          };
        });
        try {
          await Promise.all(
            people.map(({ name, app }) =>
              app.launch({ runtime, dataDirectory: path.join(folder, name), sandbox: !isRoot }),
            ),
          );
          await work(network, people);
        } catch (cause) {
          for (const { name, app, keep } of people) {
            const log = keep("99-failed").then(app.log, String);
            await test.info().attach(`${name}.log`, { body: await log, contentType: "text/plain" });
          }
          throw cause;
        } finally {
          await Promise.all(people.map(({ app }) => app.dispose()));
        }
      },
      segmentOf,
    );
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
};

/** Makes an identity as the first run of the app asks for it. */
export const firstRun = async (person: Person): Promise<void> => {
  const { app, name, keep } = person;
  await app.waitFor('role=button[name="Get started"]');
  await keep("01-welcome");
  await app.click('role=button[name="Get started"]');
  await app.fill('role=textbox[name="Your name"]', name);
  await choosePassphrase(person);
  await app.click('role=button[name="Create my identity"]');
  await app.waitFor('role=list[name="Recovery phrase"]');
  expect(await app.count('role=list[name="Recovery phrase"] >> role=listitem')).toBe(24);
  await keep("02-phrase");
  await app.click('role=button[name="I have written them down"]');
  await app.click('role=button[name="Do this later"]');
  await app.waitFor('role=heading[name="Start with a notebook"]');
  await app.waitFor('role=region[name="Recovery phrase"]');
  await keep("03-workspace");
};

/** Opens the note through the quick switcher and waits for its text. */
export const openNote = async ({ app }: Person, title: string, text: string): Promise<void> => {
  await app.press("Control+p");
  await app.fill('role=dialog >> role=combobox[name="Go to a note"]', title);
  await app.click(`role=dialog >> role=option >> text=${title}`);
  await app.waitFor(`${EDITOR} >> text=${text}`, "visible", 60_000);
};
