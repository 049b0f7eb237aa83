import { connectBroker } from '@taskmaster/messaging';

/** Counts the messages that were published to the notice streams. */
export class BrokerCosts {
  private constructor(private readonly connection: Awaited<ReturnType<typeof connectBroker>>) {}

  static async open(url: string): Promise<BrokerCosts> {
    return new BrokerCosts(await connectBroker({ url, name: 'performance' }));
  }

  /** The sum of the last sequences of all epochs' streams. */
  async messages(): Promise<number> {
    const manager = await this.connection.jetstreamManager();
    const streams = await manager.streams.list().next();
    return streams.filter(({ config }) => config.name.startsWith('TM_WORK_')).reduce((total, { state }) => total + state.last_seq, 0);
  }

  async close(): Promise<void> {
    await this.connection.close();
  }
}
