/** Structured log. Names, addresses and ids belong to `debug`; secrets and note text to none. */
export interface Log {
  readonly debug: (event: string, fields?: Readonly<Record<string, string | number | boolean>>) => void;
  readonly info: (event: string, fields?: Readonly<Record<string, string | number | boolean>>) => void;
  readonly warn: (event: string, fields?: Readonly<Record<string, string | number | boolean>>) => void;
  readonly error: (event: string, fields?: Readonly<Record<string, string | number | boolean>>) => void;
}
