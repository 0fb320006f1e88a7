/** Builds `vmlinuz`, `initramfs` and `manifest.json` into `out`. */
export function buildImage(out: string): Promise<unknown>;
