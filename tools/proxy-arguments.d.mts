export const proxyArguments: (given: readonly string[]) => readonly string[] | undefined;
