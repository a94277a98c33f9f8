import './app.css';
import { mount } from 'svelte';
import { board } from './state/board.svelte';
import App from './ui/App.svelte';

mount(App, { target: document.getElementById('app')! });
void board.open();
