{{ config(materialized='view') }}

select id, region, amount from {{ source('raw', 'orders') }} where amount > 100
