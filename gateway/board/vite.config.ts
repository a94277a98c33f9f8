import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vite';

// The page is built into dist, which is committed: "go build" needs no Node. BOARD_OUT lets "make verify" build
// beside it and compare.
export default defineConfig({
  plugins: [svelte()],
  base: '/',
  worker: { format: 'es' },
  build: {
    outDir: process.env.BOARD_OUT ?? 'dist',
    emptyOutDir: true,
    target: 'es2022',
    // Everything is a file of its own: the content policy allows no data: scripts or fonts.
    assetsInlineLimit: 0,
    // The map chunk is over the limit by its nature, and loaded after the page has been drawn.
    chunkSizeWarningLimit: 4000,
    // The texts that the bundled libraries' licences ask to be kept with them.
    license: { fileName: 'licenses.md' },
    modulePreload: { polyfill: false },
  },
});
