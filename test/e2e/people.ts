import { expect } from "@playwright/test";
import type { RemoteApp } from "./remote-app.ts";

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

/** Makes an identity as the first run of the app asks for it. */
export const firstRun = async (person: Person): Promise<void> => {
  const { app, name, keep } = person;
  await app.waitFor('role=button[name="Get started"]');
  await keep("01-welcome");
  await app.click('role=button[name="Get started"]');
  await app.fill('role=textbox[name="Your name"]', name);
  await app.fill("input[type=password] >> nth=0", PASSPHRASE);
  await app.fill("input[type=password] >> nth=1", PASSPHRASE);
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
