// Serves a GitHub that others wrote (npm `emulate`) on the given port, until standard input ends.
import { createEmulator } from 'emulate';

const emulator = await createEmulator({ service: 'github', port: Number(process.argv[2]) });
process.stdin.on('end', () => emulator.close().then(() => process.exit(0)));
process.stdin.resume();
console.log(emulator.url);
