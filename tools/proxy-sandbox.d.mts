export const LISTEN_DESCRIPTOR: number;
interface Allowed {
  readonly readable: readonly string[];
  readonly writable: readonly string[];
}
export const sandboxArguments: (nodeArguments: readonly string[], allowed: Allowed) => readonly string[];
export const allowedBy: (nodeArguments: readonly string[]) => Allowed;
export const openListener: (
  address: string,
) => Promise<{ readonly descriptor: number; readonly port: number; readonly release: () => void }>;
