import type { ReadModels, ReadModelsOptions } from './read-models.js';

/**
 * The read models, opened by the first question to them: what they are read with takes longer to load than everything else of this
 * process, and nobody who waits for a restarted one to go on waits for a list.
 */
export class Lists {
  private opening: Promise<ReadModels> | undefined;

  constructor(private readonly options: ReadModelsOptions) {}

  /** A failure is not kept: the next question tries again. */
  opened(): Promise<ReadModels> {
    this.opening ??= this.open().catch((error: unknown) => {
      this.opening = undefined;
      throw error;
    });
    return this.opening;
  }

  async close(): Promise<void> {
    await (await this.opening?.catch(() => undefined))?.close();
  }

  private async open(): Promise<ReadModels> {
    const { ReadModels } = await import('./read-models.js');
    return ReadModels.connect(this.options);
  }
}
