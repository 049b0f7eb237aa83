/** A release of nats-server and what its archives must hash to. */
export interface NatsRelease {
  readonly version: string;
  /** By `<process.platform>-<process.arch>`. */
  readonly sha256: Readonly<Record<string, string>>;
  urlOf(target: string): string;
}

const ARCHITECTURES: Readonly<Record<string, string>> = { x64: 'amd64', arm64: 'arm64' };

/** The checksums are those that the official container image (nats-io/nats-docker, 2.12.x) verifies its own download against. */
export const NATS_RELEASE: NatsRelease = {
  version: '2.12.15',
  sha256: {
    'linux-x64': '58ab8131f819263897e2fc38e503e1b755b63bcafeecc7d12582487df48ca15e',
    'linux-arm64': 'b724db99fefbf8f5c808baa82819ee50350aee9734017e4a478f7e545cef3ab6',
  },
  urlOf(target) {
    const [platform = '', architecture = ''] = target.split('-');
    const name = `nats-server-v${this.version}-${platform}-${ARCHITECTURES[architecture] ?? architecture}`;
    return `https://github.com/nats-io/nats-server/releases/download/v${this.version}/${name}.tar.gz`;
  },
};
