import './app.css';
import { mount } from 'svelte';
import { board } from './state/board.svelte';
import App from './ui/App.svelte';

void board.open();
mount(App, { target: document.getElementById('app')! });
