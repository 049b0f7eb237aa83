import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

/** An address that stays the same whatever server is behind it, as the virtual address or the proxy of a failover set-up. */
export interface Address {
  readonly port: number;
  /** New connections lead to that local port; those that led elsewhere are ended. */
  leadTo(port: number): void;
  /** Nobody is reached, and everybody is told: connections are ended. */
  cut(): void;
  /** Nobody is reached, and nobody is told: connections stay, also when what is behind them ends, and say nothing more. */
  silence(): void;
  /** Ends the connections that say nothing more. */
  hangUp(): void;
  close(): Promise<void>;
}

export async function openAddress(port: number): Promise<Address> {
  let behind: number | 'nobody' | 'silence' = port;
  const joined = new Set<Socket>();
  const silenced = new Set<Socket>();
  const end = (sockets: ReadonlySet<Socket>): void => {
    for (const socket of sockets) socket.destroy();
  };
  const server = createServer((client) => {
    client.on('error', () => undefined);
    if (behind === 'nobody') client.destroy();
    else if (behind === 'silence') silenced.add(client.pause());
    else join(client, connect(behind, '127.0.0.1'), joined);
  });
  await new Promise<void>((settle) => server.listen(0, '127.0.0.1', settle));
  return {
    port: (server.address() as AddressInfo).port,
    leadTo: (next) => {
      behind = next;
      end(joined);
    },
    cut: () => {
      behind = 'nobody';
      end(joined);
    },
    silence: () => {
      behind = 'silence';
      for (const socket of joined) silenced.add(socket.unpipe().pause());
      joined.clear();
    },
    hangUp: () => {
      end(silenced);
      silenced.clear();
    },
    close: async () => {
      const closed = new Promise((settle) => server.close(settle));
      end(joined);
      end(silenced);
      await closed;
    },
  };
}

/** Carries what one side says to the other; when one is gone, so is the other, after it has heard everything. */
function join(one: Socket, other: Socket, joined: Set<Socket>): void {
  for (const [from, to] of [
    [one, other],
    [other, one],
  ] as const) {
    joined.add(from);
    from.setNoDelay(true);
    from.pipe(to);
    from.on('error', () => undefined);
    from.once('close', () => {
      if (joined.delete(from)) to.destroySoon();
    });
  }
}
