interface Lock {
  readonly packages: Readonly<Record<string, { readonly version?: string; readonly link?: boolean; readonly optional?: boolean }>>;
}

export function supportsNode(version: string): boolean;
export function packagesIn(installed: Lock): number;
export function installedMatches(lock: Lock, installed: Lock | undefined): boolean;
export function jestArguments(given: readonly string[]): readonly string[];
